//! Counters as plain numbers.

/// What one worker counted. The broker's figures are the sums over its workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// PUBLISH packets received from clients.
    pub publish_received: u64,
    /// PUBLISH packets sent to clients.
    pub publish_sent: u64,
    /// Messages dropped because the queue of a session was full.
    pub dropped_queue_full: u64,
    /// Messages dropped because they expired while they waited.
    pub dropped_expired: u64,
    /// Messages dropped because they exceeded the Maximum Packet Size of a client.
    pub dropped_too_large: u64,
    /// Messages that the store could not give back.
    pub dropped_unreadable: u64,
    /// Messages of shared subscriptions dropped because no member could take them.
    pub dropped_no_member: u64,
    /// Messages dropped because access rules that changed deny them to a client.
    pub dropped_denied: u64,
    /// Publishes refused, by access rules or a bound.
    pub refused: u64,
}

impl Stats {
    /// Adds the figures of another worker.
    pub const fn add(&mut self, other: &Self) {
        self.publish_received += other.publish_received;
        self.publish_sent += other.publish_sent;
        self.dropped_queue_full += other.dropped_queue_full;
        self.dropped_expired += other.dropped_expired;
        self.dropped_too_large += other.dropped_too_large;
        self.dropped_unreadable += other.dropped_unreadable;
        self.dropped_no_member += other.dropped_no_member;
        self.dropped_denied += other.dropped_denied;
        self.refused += other.refused;
    }
}
