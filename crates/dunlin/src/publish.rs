//! The life of a PUBLISH, from the packet that a client sent to the acknowledgement it gets.
//!
//! [`plan`] decides, [`begin`] hands what must be kept to the store; [`finish`] applies what is safe and
//! acknowledges it. Nothing is acknowledged in between. The publishes of one connection are finished
//! in the order in which they were begun, whatever each of them waits for. Those of one read that are alike
//! share a plan: [`join`].

use std::collections::VecDeque;

use dunlin_core::broker::{Forwarded, Origin, PublishPlan};
use dunlin_core::connection::Connection;
use dunlin_core::error::Refusal;
use dunlin_core::input::{Acknowledgement, PublishRequest};
use dunlin_core::output::Output;
use dunlin_core::storage::{Position, StorageFault, Stored};
use dunlin_core::worker::{Occasion, Publication, Worker};

use crate::limits::memory::Pressure;
use crate::shared::Shared;

/// A publish that there is no plan for.
pub(crate) struct Refused {
    refusal: Refusal,
    acknowledgement: Acknowledgement,
}

/// A publish between [`begin`] and [`finish`].
pub(crate) struct Pending {
    plan: Result<PublishPlan, Refused>,
    /// The place of its record in the store; `None` if it has none.
    position: Result<Option<Position>, StorageFault>,
}

/// Plans the publish of a client.
#[inline]
pub(crate) fn plan(
    shared: &Shared,
    worker: &mut Worker,
    connection: &Connection,
    request: PublishRequest,
) -> Result<PublishPlan, Refused> {
    let acknowledgement = request.acknowledgement;
    let refused = |refusal| Refused {
        refusal,
        acknowledgement,
    };
    let Some(identity) = connection.identity() else {
        return Err(refused(Refusal::NotAuthorized));
    };
    if is_full(shared) {
        return Err(refused(Refusal::QuotaExceeded));
    }
    let origin = Origin::Client(identity);
    let plan = shared.broker.plan_publish(worker, request, origin);
    plan.map_err(refused)
}

/// Adds the publish of a client to the plan of the one before, if it goes the same way.
///
/// # Errors
/// The request, if it needs a plan of its own.
#[inline]
pub(crate) fn join(
    shared: &Shared,
    worker: &mut Worker,
    plan: &mut PublishPlan,
    request: PublishRequest,
) -> Result<(), PublishRequest> {
    if is_full(shared) {
        return Err(request);
    }
    shared.broker.join(worker, plan, request)
}

/// Whether there is no memory for messages.
pub(crate) fn is_full(shared: &Shared) -> bool {
    shared.limits.memory.pressure() == Pressure::Full
}

/// Appends what must be kept of a plan to the store.
#[inline]
pub(crate) fn begin(shared: &Shared, plan: Result<PublishPlan, Refused>) -> Pending {
    let position = match &plan {
        Ok(plan) => shared.broker.store(plan),
        Err(_) => Ok(None),
    };
    Pending { plan, position }
}

impl Pending {
    /// The same without anybody to acknowledge it to; `None` if it was refused.
    pub(crate) fn orphaned(self) -> Option<PendingPublication> {
        Some(PendingPublication {
            plan: self.plan.ok()?,
            position: self.position.ok()?,
        })
    }
}

/// Applies and acknowledges what is safe of the publishes of a connection, in their order; false if
/// some are not safe yet. The caller looks whether that ended the connection.
pub(crate) fn finish(
    shared: &Shared,
    occasion: &mut Occasion<'_>,
    connection: &mut Connection,
    pending: &mut VecDeque<Pending>,
    out: &mut Output,
) -> bool {
    while let Some(first) = pending.pop_front() {
        if let Some(first) = finish_one(shared, occasion, connection, first, out) {
            pending.push_front(first);
            return false;
        }
    }
    true
}

/// Applies and acknowledges one publish, if it is safe; gives it back if it is not yet. The
/// caller looks whether that ended the connection.
#[inline]
pub(crate) fn finish_one(
    shared: &Shared,
    occasion: &mut Occasion<'_>,
    connection: &mut Connection,
    pending: Pending,
    out: &mut Output,
) -> Option<Pending> {
    if connection.is_behind() {
        return Some(pending);
    }
    let Pending { plan, position } = pending;
    let plan = match plan {
        Ok(plan) => plan,
        Err(refused) => {
            refuse(occasion, connection, &refused, out);
            return None;
        }
    };
    let stored = position.and_then(|position| proof(shared, &plan, position));
    match (stored, Forwarded::nothing_to_do(&plan)) {
        (Ok(Some(stored)), Some(forwarded)) => {
            let committed = plan.committed(stored, forwarded);
            shared.broker.apply(occasion.worker, committed, |receipt| {
                connection.acknowledge(receipt, out);
            });
            None
        }
        (Err(fault), _) => {
            for acknowledgement in plan.given_up() {
                let refused = Refused {
                    refusal: fault.into(),
                    acknowledgement,
                };
                refuse(occasion, connection, &refused, out);
            }
            None
        }
        (Ok(None), _) | (_, None) => Some(Pending {
            plan: Ok(plan),
            position,
        }),
    }
}

#[cold]
fn refuse(
    occasion: &mut Occasion<'_>,
    connection: &mut Connection,
    refused: &Refused,
    out: &mut Output,
) {
    let Refused {
        refusal,
        acknowledgement,
    } = *refused;
    let _ends_the_connection = connection.refuse(occasion, acknowledgement, refusal, out);
}

/// A message that the broker itself publishes, between [`begin_publication`] and
/// [`finish_publication`].
pub(crate) struct PendingPublication {
    plan: PublishPlan,
    position: Option<Position>,
}

/// Plans a message of the broker, and appends what must be kept to the store. A store that takes
/// nothing makes it a message that is not kept: there is nobody who could be told.
pub(crate) fn begin_publication(
    shared: &Shared,
    worker: &mut Worker,
    publication: Publication,
) -> Option<PendingPublication> {
    let plan = shared.broker.plan_publication(worker, publication);
    let position = shared.broker.store(&plan).ok()?;
    Some(PendingPublication { plan, position })
}

/// Applies a message of the broker, if it is safe; gives it back if it is not yet.
pub(crate) fn finish_publication(
    shared: &Shared,
    worker: &mut Worker,
    pending: PendingPublication,
) -> Option<PendingPublication> {
    let PendingPublication { plan, position } = pending;
    match (
        proof(shared, &plan, position),
        Forwarded::nothing_to_do(&plan),
    ) {
        (Ok(Some(stored)), Some(forwarded)) => {
            let committed = plan.committed(stored, forwarded);
            shared.broker.apply(worker, committed, |_nobody_waits| {});
            None
        }
        (Err(_), _) => None,
        (Ok(None), _) | (_, None) => Some(PendingPublication { plan, position }),
    }
}

/// The proof that a plan's record is safe; `None` while it is not.
#[inline]
fn proof(
    shared: &Shared,
    plan: &PublishPlan,
    position: Option<Position>,
) -> Result<Option<Stored>, StorageFault> {
    match position {
        Some(position) => shared.broker.storage().stored(position),
        None => Ok(Stored::nothing_to_do(plan)),
    }
}
