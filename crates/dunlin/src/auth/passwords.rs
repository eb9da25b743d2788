//! User names and passwords of a password file.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dunlin_codec::ReasonCode;
use dunlin_core::input::{Attempt, Grant};
use parking_lot::Mutex;
use tracing::{error, info};

use super::hash::StoredHash;
use super::password_file::{FILE_BYTES_MAX, PasswordFile, Users};
use super::pool::{NotDone, Pool};
use super::port::{Allowed, Authenticator, Caller, Deciding, Exchange, Verdict};
use crate::files::{Reload, WatchedFile};

/// The users of a password file. Passwords are held against their hashes on the threads of a pool.
pub(crate) struct Passwords {
    users: ArcSwap<Users>,
    file: Mutex<WatchedFile>,
    pool: Arc<Pool>,
}

impl Passwords {
    /// Reads the file.
    pub(crate) fn open(path: PathBuf, pool: Arc<Pool>) -> Result<Arc<Self>, String> {
        let mut file = WatchedFile::new(path);
        let users = read(&mut file)?;
        Ok(Arc::new(Self {
            users: ArcSwap::from_pointee(users),
            file: Mutex::new(file),
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
        let mut file = self.file.lock();
        if !is_forced && !file.has_changed() {
            return false;
        }
        match read(&mut file) {
            Ok(users) => {
                info!("{}: {} users", file.path().display(), users.count());
                self.users.store(Arc::new(users));
                true
            }
            Err(what) => {
                error!("{what}; the users that it held before stay");
                false
            }
        }
    }
}

fn read(file: &mut WatchedFile) -> Result<Users, String> {
    let text = file.read(FILE_BYTES_MAX, true);
    let path = file.path();
    let text = text.map_err(|what| format!("{}: {what}", path.display()))?;
    let parsed = PasswordFile::parse(path, &text).map_err(|error| error.to_string())?;
    Users::new(&parsed).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
