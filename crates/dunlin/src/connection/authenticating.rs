//! Who is at the other end: asked for, awaited, and asked again when what it was told by changed.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dunlin_codec::ReasonCode;
use dunlin_core::input::{Attempt, AuthenticationStep, Decision, Outcome};
use dunlin_core::time::Time;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::task::{Connection, Inner, Phase};
use crate::auth::{Allowed, Caller, Exchange, StillHolds, Verdict, certificate};
use crate::limits::Subject;
use crate::limits::memory::Pressure;
use crate::shared::{Command, Shared};
use crate::worker::{Worker, worker_of};

/// What a connection knows of its authentication.
#[derive(Default)]
pub(super) struct Authentication {
    /// Whether a decision is awaited.
    is_deciding: bool,
    exchange: Exchange,
    still_holds: Option<StillHolds>,
}

impl Authentication {
    pub(super) const fn is_deciding(&self) -> bool {
        self.is_deciding
    }
}

/// A decision.
struct Decided {
    verdict: Verdict,
    /// What is kept for the next step.
    exchange: Exchange,
    /// Whom it is about.
    client_id: String,
}

/// Lets an earlier connection of the client, on another worker, read what came for it: a DISCONNECT that waits
/// there is older than the CONNECT that waits here, and without it there would be a session, or a will, that the
/// client has ended.
async fn catch_up(shared: &Shared, worker: usize, client_id: &str) {
    let earlier = shared.broker.connection_of(client_id).map(worker_of);
    let Some(earlier) = earlier.filter(|earlier| *earlier != worker) else {
        return;
    };
    if let Some(mailbox) = shared.mailboxes.get(earlier) {
        let (done, caught_up) = oneshot::channel();
        mailbox.put([Command::CatchUp(done)]);
        // An error says that the worker has ended, and with it its connections. How long a client may take to
        // connect bounds this as well.
        let _ = caught_up.await;
    }
}

async fn decide(
    (shared, worker): (Arc<Shared>, usize),
    mut attempt: Attempt,
    caller: Caller,
    mut exchange: Exchange,
) -> Decided {
    let assigned = certificate::client_id(&mut attempt, &caller);
    let verdict = match (assigned, turned_away(&shared, &attempt, &caller)) {
        (_, Some(reason_code)) | (Err(reason_code), _) => Verdict::Deny(reason_code),
        (Ok(assigned), None) => {
            let chain = shared.auth.chain();
            match chain.decide(&attempt, &caller, &mut exchange).await {
                Verdict::Allow(mut allowed) => {
                    catch_up(&shared, worker, &attempt.client_id).await;
                    allowed.grant.client_id = assigned;
                    Verdict::Allow(allowed)
                }
                other => other,
            }
        }
    };
    Decided {
        verdict: held_to_bans(&shared, &attempt, verdict),
        exchange,
        client_id: attempt.client_id,
    }
}

/// Why nobody looks at the credential at all.
fn turned_away(shared: &Shared, attempt: &Attempt, caller: &Caller) -> Option<ReasonCode> {
    let is_new = attempt.step == AuthenticationStep::Connect;
    if is_new && shared.limits.memory.pressure() >= Pressure::Refuse {
        return Some(ReasonCode::ServerBusy);
    }
    let address = caller.peer.address.map(|address| address.ip());
    let who = Subject {
        client_id: &attempt.client_id,
        user_name: attempt.user_name.as_deref(),
        address,
    };
    shared.limits.is_banned(who).then_some(ReasonCode::Banned)
}

/// Who is let in is who it is by its proof, and is asked about again when bans change.
fn held_to_bans(shared: &Arc<Shared>, attempt: &Attempt, verdict: Verdict) -> Verdict {
    let Verdict::Allow(mut allowed) = verdict else {
        return verdict;
    };
    if !shared.limits.has_bans() {
        return Verdict::Allow(allowed);
    }
    let shared = Arc::clone(shared);
    let client_id = attempt.client_id.clone();
    let user_name = allowed.grant.user_name.clone();
    let user_name = user_name.or_else(|| attempt.user_name.as_deref().map(Into::into));
    let address = allowed.grant.address;
    let is_banned = move || {
        shared.limits.is_banned(Subject {
            client_id: &client_id,
            user_name: user_name.as_deref(),
            address,
        })
    };
    if is_banned() {
        return Verdict::Deny(ReasonCode::Banned);
    }
    let still_holds = allowed.still_holds.take();
    allowed.still_holds = Some(Box::new(move || {
        !is_banned() && still_holds.as_ref().is_none_or(|still_holds| still_holds())
    }));
    Verdict::Allow(allowed)
}

impl Inner {
    /// Has it decided who the client is. What needs no time is done at once; for the rest, nothing is
    /// read from the client until it is known.
    pub(super) fn authenticate(
        &mut self,
        worker: &Rc<Worker>,
        connection: &Rc<Connection>,
        attempt: Attempt,
    ) {
        let exchange = if attempt.step == AuthenticationStep::Continue {
            std::mem::take(&mut self.authentication.exchange)
        } else {
            Exchange::default()
        };
        let shared = Arc::clone(&worker.shared);
        let now = worker.now();
        let caller = connection.caller(now);
        let here = (shared, worker.index());
        let mut deciding = Box::pin(decide(here, attempt, caller, exchange));
        match deciding
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(decided) => self.take_decision(worker, now, decided),
            Poll::Pending => {
                self.authentication.is_deciding = true;
                let worker = Rc::clone(worker);
                let connection = Rc::clone(connection);
                spawn_local(async move { connection.await_decision(&worker, deciding).await });
            }
        }
    }

    fn take_decision(&mut self, worker: &Worker, now: Time, decided: Decided) {
        let Decided {
            verdict,
            exchange,
            client_id,
        } = decided;
        self.authentication.is_deciding = false;
        let is_new = self.core.client_id().is_none();
        let limits = &worker.shared.limits;
        let decision = match verdict {
            Verdict::Allow(_) if is_new && limits.note_connect(&client_id, now) => Decision::Deny {
                reason_code: ReasonCode::Banned,
            },
            Verdict::Allow(Allowed { grant, still_holds }) => {
                self.authentication.still_holds = still_holds;
                Decision::Allow(grant)
            }
            Verdict::Continue(data) => {
                self.authentication.exchange = exchange;
                Decision::Continue { data }
            }
            // A chain decides; one that does not lets nobody in.
            Verdict::Next => Decision::Deny {
                reason_code: ReasonCode::NotAuthorized,
            },
            Verdict::Deny(reason_code) => Decision::Deny { reason_code },
        };
        let outcome = worker.with_core(now, |context| {
            self.core.handle_decision(context, &decision, &mut self.out)
        });
        self.close_if(&outcome, worker, now);
    }
}

impl Connection {
    async fn await_decision(
        self: Rc<Self>,
        worker: &Rc<Worker>,
        deciding: Pin<Box<impl Future<Output = Decided>>>,
    ) {
        let decided = deciding.await;
        let now = worker.now();
        let deadline = {
            let mut inner = self.inner().borrow_mut();
            let inner = &mut *inner;
            // It may have ended meanwhile.
            if inner.phase != Phase::Open {
                return;
            }
            inner.take_decision(worker, now, decided);
            // What came meanwhile [MQTT-3.1.4-6].
            inner.handle_rest(worker, &self, now);
            inner.wake();
            inner.deadline(worker, now)
        };
        worker.pass_on();
        worker.flush_later(&self);
        worker.look_again(&self, deadline);
    }

    /// Who may connect or what clients may do changed: what this one was granted ends, if it would
    /// not be granted again.
    pub(crate) fn recheck(self: &Rc<Self>, worker: &Worker) {
        let now = worker.now();
        {
            let mut inner = self.inner().borrow_mut();
            let inner = &mut *inner;
            if inner.phase != Phase::Open {
                return;
            }
            let still_holds = inner.authentication.still_holds.as_ref();
            let is_revoked = still_holds.is_some_and(|still_holds| !still_holds());
            let outcome: Outcome = worker.with_core(now, |context| {
                if is_revoked {
                    let reason_code = ReasonCode::NotAuthorized;
                    inner.core.close(context, reason_code, &mut inner.out)
                } else {
                    inner.core.handle_access_change(context, &mut inner.out)
                }
            });
            inner.close_if(&outcome, worker, now);
        }
        worker.flush_later(self);
    }
}
