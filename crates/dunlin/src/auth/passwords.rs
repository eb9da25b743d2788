//! User names and passwords of password files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use dunlin_codec::ReasonCode;
use dunlin_core::input::{Attempt, Grant};
use parking_lot::Mutex;
use tracing::{error, info};

use super::hash::StoredHash;
use super::password_file::{FILE_BYTES_MAX, PasswordFile, STORED_USERS, Users};
use super::pool::{NotDone, Pool};
use super::port::{Allowed, Authenticator, Caller, Deciding, Exchange, Verdict};
use crate::files::{Reload, WatchedFile};

/// The users of password files. Passwords are held against their hashes on the threads of a pool.
pub(crate) struct Passwords {
    users: ArcSwap<Users>,
    sources: Mutex<Vec<UserSource>>,
    pool: Arc<Pool>,
}

/// A file that holds users.
pub(crate) struct UserSource {
    file: WatchedFile,
    may_be_missing: bool,
}

impl UserSource {
    /// A file that the configuration names.
    pub(super) const fn named(path: PathBuf) -> Self {
        Self {
            file: WatchedFile::new(path),
            may_be_missing: false,
        }
    }

    /// The file of the broker's own users, which is there once somebody has added one.
    pub(super) fn stored(data_dir: &Path) -> Self {
        Self {
            file: WatchedFile::new(data_dir.join(STORED_USERS)),
            may_be_missing: true,
        }
    }

    fn read(&mut self) -> Result<PasswordFile, String> {
        let path = self.file.path();
        let told = |what| format!("{}: {what}", path.display());
        if self.may_be_missing && !path.try_exists().map_err(|error| told(error.to_string()))? {
            return Ok(PasswordFile::default());
        }
        let text = self.file.read(FILE_BYTES_MAX, true);
        let path = self.file.path();
        let text = text.map_err(|what| format!("{}: {what}", path.display()))?;
        PasswordFile::parse(path, &text).map_err(|error| error.to_string())
    }
}

impl Passwords {
    /// Reads the files; a user that is in several has the password of the first.
    pub(crate) fn open(sources: Vec<UserSource>, pool: Arc<Pool>) -> Result<Arc<Self>, String> {
        let mut sources = sources;
        let users = read(&mut sources)?;
        Ok(Arc::new(Self {
            users: ArcSwap::from_pointee(users),
            sources: Mutex::new(sources),
            pool,
        }))
    }

    /// The hash of a user.
    pub(super) fn user(&self, name: &str) -> Option<Arc<StoredHash>> {
        self.users.load().get(name).cloned()
    }

    async fn check(self: &Arc<Self>, user: &str, password: &[u8]) -> Verdict {
        let users = self.users.load_full();
        let known = users.get(user).cloned();
        let Some(hash) = known.as_ref().or_else(|| users.decoy()).cloned() else {
            return Verdict::Next;
        };
        let password = password.to_vec();
        let verified = self.pool.run(move || hash.verifies(&password)).await;
        match (known, verified) {
            (_, Err(NotDone)) => Verdict::Deny(ReasonCode::ServerBusy),
            (None, Ok(_)) => Verdict::Next,
            (Some(_), Ok(false)) => Verdict::Deny(ReasonCode::BadUserNameOrPassword),
            (Some(hash), Ok(true)) => Verdict::Allow(Allowed {
                grant: Grant::default(),
                still_holds: Some(self.still_holds(user, hash)),
            }),
        }
    }

    /// As long as the user is there and has the same password.
    pub(super) fn still_holds(
        self: &Arc<Self>,
        user: &str,
        hash: Arc<StoredHash>,
    ) -> super::StillHolds {
        let (passwords, user) = (Arc::clone(self), Box::<str>::from(user));
        Box::new(move || {
            let users = passwords.users.load();
            users.get(&user).is_some_and(|present| *present == hash)
        })
    }
}

impl Authenticator for Arc<Passwords> {
    fn decide<'a>(
        &'a self,
        attempt: &'a Attempt,
        _: &'a Caller,
        _: &'a mut Exchange,
    ) -> Deciding<'a> {
        Box::pin(async move {
            if !attempt.is_basic() {
                return Verdict::Next;
            }
            let Some(user) = &attempt.user_name else {
                return Verdict::Next;
            };
            // Without a password it is an empty one, which nobody has.
            let password = attempt.password.as_ref();
            let password = password.map_or(&[][..], |password| &password.0);
            self.check(user, password).await
        })
    }
}

impl Reload for Passwords {
    fn reload(&self, is_forced: bool) -> bool {
        let mut sources = self.sources.lock();
        // Each is looked at: what it looked like is compared at the next look.
        let changed = sources.iter_mut().filter_map(|source| {
            let has_changed = source.file.has_changed();
            has_changed.then_some(())
        });
        if changed.count() == 0 && !is_forced {
            return false;
        }
        match read(&mut sources) {
            Ok(users) => {
                let count = users.count();
                self.users.store(Arc::new(users));
                info!("{count} users of password files");
                true
            }
            Err(what) => {
                error!("{what}; the users that it held before stay");
                false
            }
        }
    }
}

fn read(sources: &mut [UserSource]) -> Result<Users, String> {
    let files: Vec<_> = sources
        .iter_mut()
        .map(UserSource::read)
        .collect::<Result<_, _>>()?;
    Users::new(&files).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
