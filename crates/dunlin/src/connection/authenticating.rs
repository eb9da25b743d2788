//! Who is at the other end: asked for, awaited, and asked again when what it was told by changed.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use dunlin_codec::ReasonCode;
use dunlin_core::input::{Attempt, AuthenticationStep, Decision, Outcome};
use dunlin_core::time::Time;
use tokio::task::spawn_local;

use super::task::{Connection, Inner, Phase};
use crate::auth::{Allowed, Caller, Exchange, StillHolds, Verdict};
use crate::shared::Shared;
use crate::worker::Worker;

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

/// A decision, and what is kept for the next step.
type Decided = (Verdict, Exchange);

async fn decide(
    shared: Arc<Shared>,
    attempt: Attempt,
    caller: Caller,
    mut exchange: Exchange,
) -> Decided {
    let chain = shared.auth.chain();
    let verdict = chain.decide(&attempt, &caller, &mut exchange).await;
    (verdict, exchange)
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
        let mut deciding = Box::pin(decide(shared, attempt, caller, exchange));
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

    fn take_decision(&mut self, worker: &Worker, now: Time, (verdict, exchange): Decided) {
        self.authentication.is_deciding = false;
        let decision = match verdict {
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
            let bytes = std::mem::take(&mut inner.input.rest);
            inner.input.since = None;
            if inner.phase == Phase::Open && !bytes.is_empty() {
                let handled = inner.handle_bytes(worker, &self, now, &bytes);
                let rest = bytes.get(handled.consumed..).unwrap_or_default();
                if handled.goes_on && !rest.is_empty() {
                    inner.keep_rest(worker, &self, now, rest);
                }
            }
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
