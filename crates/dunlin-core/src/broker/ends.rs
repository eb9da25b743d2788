//! Sessions that are over, and whose end may not be safe yet: after a stop they would be there again, so
//! that their clients cannot be told that there is none.

use std::collections::BTreeMap;

use crate::broker::Broker;
use crate::id::{ClientIdentifier, SessionNumber};
use crate::storage::{Position, Record, StorageFault};

/// Ends that are remembered before it is looked which of them are safe by now.
const SWEEP_AT_MIN: usize = 64;

/// The ends that may not be safe, by client: there is one at most, since each waits for that before.
#[derive(Debug, Default)]
pub(super) struct Ends {
    by_client: BTreeMap<ClientIdentifier, End>,
    sweep_at: usize,
}

#[derive(Debug)]
struct End {
    session: SessionNumber,
    /// Where it is written down, or why it is not.
    written: Result<Position, StorageFault>,
}

impl Broker {
    /// Notes that a session of which the store knows is over.
    pub(super) fn note_end(
        &self,
        client_id: &ClientIdentifier,
        session: SessionNumber,
        written: Result<Position, StorageFault>,
    ) {
        let mut ends = self.ends.lock();
        let end = End { session, written };
        ends.by_client.insert(client_id.clone(), end);
        if ends.by_client.len() >= ends.sweep_at.max(SWEEP_AT_MIN) {
            let is_safe = |position| matches!(self.storage().stored(position), Ok(Some(_)));
            ends.by_client
                .retain(|_, end| !end.written.is_ok_and(is_safe));
            ends.sweep_at = 2 * ends.by_client.len();
        }
    }

    /// What has to be waited for before a client can be told that its last session is over; `None` if
    /// nothing has.
    ///
    /// # Errors
    /// [`StorageFault`] if a stop would bring it back.
    pub(super) fn await_end(
        &self,
        client_id: &ClientIdentifier,
    ) -> Result<Option<Position>, StorageFault> {
        let mut ends = self.ends.lock();
        let Some(end) = ends.by_client.get_mut(client_id) else {
            return Ok(None);
        };
        let session = end.session;
        let written = end
            .written
            .or_else(|_| self.keep(&[Record::Ended { session }]));
        end.written = written;
        let position = written?;
        if self.storage().stored(position)?.is_some() {
            ends.by_client.remove(client_id);
            return Ok(None);
        }
        Ok(Some(position))
    }
}
