//! The life of a PUBLISH in a simulated node: the same steps, in the same order, as in the shell.

use std::collections::VecDeque;

use dunlin_core::broker::{Broker, Forwarded, Origin, PublishPlan};
use dunlin_core::connection::Connection;
use dunlin_core::error::Refusal;
use dunlin_core::input::{Acknowledgement, PublishRequest};
use dunlin_core::output::Output;
use dunlin_core::storage::{Position, StorageFault, Stored};
use dunlin_core::worker::{Occasion, Publication, Worker};

/// A publish between [`begin`] and [`finish`].
pub(super) struct Pending {
    plan: Result<PublishPlan, Refusal>,
    position: Option<Position>,
    acknowledgement: Acknowledgement,
}

/// A message of the broker, between planning and applying.
pub(super) struct PendingPublication {
    plan: PublishPlan,
    position: Option<Position>,
}

impl Pending {
    /// The same without anybody to acknowledge it to; `None` if it was refused.
    pub(super) fn orphaned(self) -> Option<PendingPublication> {
        Some(PendingPublication {
            plan: self.plan.ok()?,
            position: self.position,
        })
    }
}

/// Plans the publish of a client, and appends what must be kept.
pub(super) fn begin(
    broker: &Broker,
    worker: &mut Worker,
    connection: &Connection,
    request: PublishRequest,
) -> Pending {
    let Some(identity) = connection.identity() else {
        return Pending {
            plan: Err(Refusal::NotAuthorized),
            position: None,
            acknowledgement: Acknowledgement::None,
        };
    };
    let acknowledgement = request.acknowledgement;
    let plan = broker.plan_publish(worker, request, Origin::Client(identity));
    let (plan, position) = match plan.map(|plan| store(broker, plan)) {
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

/// Applies and acknowledges what is safe of the publishes of a connection, in their order; false if
/// some are not safe yet.
pub(super) fn finish(
    occasion: &mut Occasion<'_>,
    connection: &mut Connection,
    pending: &mut VecDeque<Pending>,
    out: &mut Output,
) -> bool {
    while let Some(first) = pending.pop_front() {
        if let Some(first) = finish_one(occasion, connection, first, out) {
            pending.push_front(first);
            return false;
        }
    }
    true
}

/// Applies and acknowledges one publish, if it is safe; gives it back if it is not yet.
pub(super) fn finish_one(
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
    let refusal = match plan {
        Err(refusal) => refusal,
        Ok(plan) => {
            let forwarded = Forwarded::nothing_to_do(&plan);
            match (proof(occasion.broker, &plan, position), forwarded) {
                (Ok(Some(stored)), Some(forwarded)) => {
                    let committed = plan.committed(stored, forwarded);
                    let receipt = occasion.broker.apply(occasion.worker, committed);
                    connection.acknowledge(acknowledgement, receipt, out);
                    return None;
                }
                (Err(fault), _) => fault.into(),
                (Ok(None), _) | (_, None) => {
                    return Some(Pending {
                        plan: Ok(plan),
                        position,
                        acknowledgement,
                    });
                }
            }
        }
    };
    let _the_caller_looks = connection.refuse(occasion, acknowledgement, refusal, out);
    None
}

/// Plans a message of the broker, and appends what must be kept; `None` if the disk takes nothing.
pub(super) fn begin_publication(
    broker: &Broker,
    worker: &mut Worker,
    publication: Publication,
) -> Option<PendingPublication> {
    let plan = broker.plan_publication(worker, publication);
    let (plan, position) = store(broker, plan).ok()?;
    Some(PendingPublication { plan, position })
}

/// Applies a message of the broker, if it is safe; gives it back if it is not yet.
pub(super) fn finish_publication(
    broker: &Broker,
    worker: &mut Worker,
    pending: PendingPublication,
) -> Option<PendingPublication> {
    let PendingPublication { plan, position } = pending;
    let forwarded = Forwarded::nothing_to_do(&plan);
    match (proof(broker, &plan, position), forwarded) {
        (Ok(Some(stored)), Some(forwarded)) => {
            let committed = plan.committed(stored, forwarded);
            let _acknowledged_to_nobody = broker.apply(worker, committed);
            None
        }
        (Err(_), _) => None,
        (Ok(None), _) | (_, None) => Some(PendingPublication { plan, position }),
    }
}

fn store(
    broker: &Broker,
    plan: PublishPlan,
) -> Result<(PublishPlan, Option<Position>), StorageFault> {
    let position = broker.store(&plan)?;
    Ok((plan, position))
}

fn proof(
    broker: &Broker,
    plan: &PublishPlan,
    position: Option<Position>,
) -> Result<Option<Stored>, StorageFault> {
    match position {
        Some(position) => broker.storage().stored(position),
        None => Ok(Stored::nothing_to_do(plan)),
    }
}
