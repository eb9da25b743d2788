//! The life of a PUBLISH, from the packet that a client sent to the acknowledgement it gets.
//!
//! [`begin`] plans and hands what must be kept to the store; [`finish`] applies what is safe and
//! acknowledges it. Nothing is acknowledged in between. The publishes of one connection are finished
//! in the order in which they were begun, whatever each of them waits for.

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

/// A publish between [`begin`] and [`finish`].
pub(crate) struct Pending {
    /// The plan, or why there is none.
    plan: Result<PublishPlan, Refusal>,
    /// The place of its record in the store; `None` if it has none.
    position: Option<Position>,
    acknowledgement: Acknowledgement,
}

/// Plans the publish of a client, and appends what must be kept to the store.
#[inline]
pub(crate) fn begin(
    shared: &Shared,
    worker: &mut Worker,
    connection: &Connection,
    request: PublishRequest,
) -> Pending {
    let Some(identity) = connection.identity() else {
        let plan = Err(Refusal::NotAuthorized);
        return Pending {
            plan,
            position: None,
            acknowledgement: Acknowledgement::None,
        };
    };
    let acknowledgement = request.acknowledgement;
    let plan = if shared.limits.memory.pressure() == Pressure::Full {
        Err(Refusal::QuotaExceeded)
    } else {
        let origin = Origin::Client(identity);
        shared.broker.plan_publish(worker, request, origin)
    };
    let (plan, position) = match plan.map(|plan| store(shared, plan)) {
        Ok(Ok((plan, position))) => (Ok(plan), position),
        Ok(Err(fault)) => (Err(fault.into()), None),
        Err(refusal) => (Err(refusal), None),
    };
    Pending {
        plan,
        position,
        acknowledgement,
    }
}

impl Pending {
    /// The same without anybody to acknowledge it to; `None` if it was refused.
    pub(crate) fn orphaned(self) -> Option<PendingPublication> {
        Some(PendingPublication {
            plan: self.plan.ok()?,
            position: self.position,
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
    let Pending {
        plan,
        position,
        acknowledgement,
    } = pending;
    let plan = match plan {
        Ok(plan) => plan,
        Err(refusal) => {
            let _ends_the_connection = connection.refuse(occasion, acknowledgement, refusal, out);
            return None;
        }
    };
    match (
        proof(shared, &plan, position),
        Forwarded::nothing_to_do(&plan),
    ) {
        (Ok(Some(stored)), Some(forwarded)) => {
            let committed = plan.committed(stored, forwarded);
            let receipt = shared.broker.apply(occasion.worker, committed);
            connection.acknowledge(acknowledgement, receipt, out);
            None
        }
        (Err(fault), _) => {
            let _ends_the_connection =
                connection.refuse(occasion, acknowledgement, fault.into(), out);
            None
        }
        (Ok(None), _) | (_, None) => Some(Pending {
            plan: Ok(plan),
            position,
            acknowledgement,
        }),
    }
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
    match store(shared, plan) {
        Ok((plan, position)) => Some(PendingPublication { plan, position }),
        Err(_) => None,
    }
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
            let _acknowledged_to_nobody = shared.broker.apply(worker, committed);
            None
        }
        (Err(_), _) => None,
        (Ok(None), _) | (_, None) => Some(PendingPublication { plan, position }),
    }
}

#[inline]
fn store(
    shared: &Shared,
    plan: PublishPlan,
) -> Result<(PublishPlan, Option<Position>), StorageFault> {
    let position = shared.broker.store(&plan)?;
    Ok((plan, position))
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
