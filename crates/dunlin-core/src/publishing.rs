//! The life of a PUBLISH, from the request of a connection to the acknowledgement that its client gets.
//!
//! [`plan`] decides, [`begin`] hands what must be kept to the store; [`finish`] applies what is safe and
//! acknowledges it. Nothing is acknowledged in between. The publishes of one connection are finished
//! in the order in which they were begun, whatever each of them waits for. Those of one read that are alike
//! share a plan: [`Broker::join`] and [`Connection::join`].

use std::collections::VecDeque;

use crate::broker::{Broker, Forwarded, Origin, PublishPlan};
use crate::connection::Connection;
use crate::error::Refusal;
use crate::input::{Acknowledgement, PublishRequest};
use crate::output::Output;
use crate::storage::{Position, StorageFault, Stored};
use crate::worker::{Occasion, Publication, Worker};

/// A publish that there is no plan for.
pub struct Refused {
    refusal: Refusal,
    acknowledgement: Acknowledgement,
}

/// A publish between [`begin`] and [`finish`].
pub struct Pending {
    plan: Result<PublishPlan, Refused>,
    /// The place of its record in the store; `None` if it has none.
    position: Result<Option<Position>, StorageFault>,
}

impl Refused {
    /// A publish that gets this acknowledgement, if any.
    pub const fn new(refusal: Refusal, acknowledgement: Acknowledgement) -> Self {
        Self {
            refusal,
            acknowledgement,
        }
    }
}

/// Plans the publish of a client.
///
/// # Errors
/// [`Refused`] is what [`begin`] takes as well, so that it is answered in its turn.
#[inline]
pub fn plan(
    broker: &Broker,
    worker: &mut Worker,
    connection: &Connection,
    request: PublishRequest,
) -> Result<PublishPlan, Refused> {
    let acknowledgement = request.acknowledgement;
    let Some(identity) = connection.identity() else {
        return Err(Refused::new(Refusal::NotAuthorized, acknowledgement));
    };
    broker
        .plan_publish(worker, request, Origin::Client(identity))
        .map_err(|refusal| Refused::new(refusal, acknowledgement))
}

/// Appends what must be kept of a plan to the store.
#[inline]
pub fn begin(broker: &Broker, plan: Result<PublishPlan, Refused>) -> Pending {
    let position = match &plan {
        Ok(plan) => broker.store(plan),
        Err(_) => Ok(None),
    };
    Pending { plan, position }
}

impl Pending {
    /// The same without anybody to acknowledge it to; `None` if it was refused.
    pub fn orphaned(self) -> Option<PendingPublication> {
        Some(PendingPublication {
            plan: self.plan.ok()?,
            position: self.position.ok()?,
        })
    }
}

/// Applies and acknowledges what is safe of the publishes of a connection, in their order; false if
/// some are not safe yet. The caller looks whether that ended the connection.
pub fn finish(
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

/// Applies and acknowledges one publish, if it is safe; gives it back if it is not yet. The
/// caller looks whether that ended the connection.
#[inline]
pub fn finish_one(
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
                let refused = Refused::new(fault.into(), acknowledgement);
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
pub struct PendingPublication {
    plan: PublishPlan,
    position: Option<Position>,
}

/// Plans a message of the broker, and appends what must be kept to the store. A store that takes
/// nothing makes it a message that is not kept: there is nobody who could be told.
pub fn begin_publication(
    broker: &Broker,
    worker: &mut Worker,
    publication: Publication,
) -> Option<PendingPublication> {
    let plan = broker.plan_publication(worker, publication);
    let position = broker.store(&plan).ok()?;
    Some(PendingPublication { plan, position })
}

/// Applies a message of the broker, if it is safe; gives it back if it is not yet.
pub fn finish_publication(
    broker: &Broker,
    worker: &mut Worker,
    pending: PendingPublication,
) -> Option<PendingPublication> {
    let PendingPublication { plan, position } = pending;
    match (
        proof(broker, &plan, position),
        Forwarded::nothing_to_do(&plan),
    ) {
        (Ok(Some(stored)), Some(forwarded)) => {
            let committed = plan.committed(stored, forwarded);
            broker.apply(worker, committed, |_nobody_waits| {});
            None
        }
        (Err(_), _) => None,
        (Ok(None), _) | (_, None) => Some(PendingPublication { plan, position }),
    }
}

/// The proof that a plan's record is safe; `None` while it is not.
#[inline]
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
