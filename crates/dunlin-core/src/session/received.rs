//! QoS 2 messages that a client sent and did not release yet (section 4.3.3).

use dunlin_codec::PacketIdentifier;

/// The packet identifiers between PUBLISH and PUBREL, sorted.
#[derive(Debug, Default)]
pub(crate) struct Received(Vec<PacketIdentifier>);

impl Received {
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, packet_id: PacketIdentifier) -> bool {
        self.0.binary_search(&packet_id).is_ok()
    }

    pub(crate) fn insert(&mut self, packet_id: PacketIdentifier) {
        if let Err(position) = self.0.binary_search(&packet_id) {
            self.0.insert(position, packet_id);
        }
    }

    /// Removes an identifier; false if it was not there.
    pub(crate) fn remove(&mut self, packet_id: PacketIdentifier) -> bool {
        let position = self.0.binary_search(&packet_id);
        if let Ok(position) = position {
            self.0.remove(position);
        }
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        position.is_ok()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}
