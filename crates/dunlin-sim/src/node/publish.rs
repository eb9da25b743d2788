//! The life of a PUBLISH in a simulated node: the same steps, in the same order, as in the shell.

use std::collections::VecDeque;

use dunlin_core::broker::{Broker, Forwarded, Origin, PublishPlan};
use dunlin_core::connection::Connection;
use dunlin_core::error::Refusal;
use dunlin_core::input::{Acknowledgement, PublishRequest};
use dunlin_core::output::Output;
use dunlin_core::storage::{Position, StorageFault, Stored};
use dunlin_core::worker::{Occasion, Publication, Worker};

/// A publish that there is no plan for.
pub(super) struct Refused {
    refusal: Refusal,
    acknowledgement: Acknowledgement,
}

/// A publish between [`begin`] and [`finish`].
pub(super) struct Pending {
    plan: Result<PublishPlan, Refused>,
    position: Result<Option<Position>, StorageFault>,
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
            position: self.position.ok()?,
        })
    }
}

/// Plans the publish of a client.
pub(super) fn plan(
    broker: &Broker,
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
    let plan = broker.plan_publish(worker, request, Origin::Client(identity));
    plan.map_err(refused)
}

/// Appends what must be kept of a plan.
pub(super) fn begin(broker: &Broker, plan: Result<PublishPlan, Refused>) -> Pending {
    let position = match &plan {
        Ok(plan) => broker.store(plan),
        Err(_) => Ok(None),
    };
    Pending { plan, position }
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
    let Pending { plan, position } = pending;
    let plan = match plan {
        Ok(plan) => plan,
        Err(refused) => {
            refuse(occasion, connection, &refused, out);
            return None;
        }
    };
    let stored = position.and_then(|position| proof(occasion.broker, &plan, position));
    match (stored, Forwarded::nothing_to_do(&plan)) {
        (Ok(Some(stored)), Some(forwarded)) => {
            let committed = plan.committed(stored, forwarded);
            occasion
                .broker
                .apply(occasion.worker, committed, |receipt| {
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
    let _the_caller_looks = connection.refuse(occasion, acknowledgement, refusal, out);
}

/// Plans a message of the broker, and appends what must be kept; `None` if the disk takes nothing.
pub(super) fn begin_publication(
    broker: &Broker,
    worker: &mut Worker,
    publication: Publication,
) -> Option<PendingPublication> {
    let plan = broker.plan_publication(worker, publication);
    let position = broker.store(&plan).ok()?;
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
            broker.apply(worker, committed, |_nobody_waits| {});
            None
        }
        (Err(_), _) => None,
        (Ok(None), _) | (_, None) => Some(PendingPublication { plan, position }),
    }
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
