//! The end of a connection, from either side, with or without its will (sections 3.14 and 4.13).

use dunlin_codec::{Disconnect, DisconnectProperties, Packet, PacketType, ReasonCode};

use super::{Connected, Connection, State, v3};
use crate::broker::Ending;
use crate::error::Violation;
use crate::input::{CloseReason, Outcome};
use crate::output::Output;
use crate::worker::Occasion;

impl Connection {
    /// DISCONNECT came.
    pub(super) fn handle_disconnect(
        &mut self,
        context: &mut Occasion<'_>,
        disconnect: &Disconnect<'_>,
        out: &mut Output,
    ) -> Outcome {
        let State::Connected(connected) = &self.state else {
            return Outcome::Close;
        };
        let seconds = disconnect.properties.session_expiry_interval;
        if seconds.is_some_and(|seconds| seconds > 0) && !connected.had_expiry_interval {
            return self.handle_violation(context, Violation::SessionExpiryRaised, out);
        }
        if disconnect.properties.server_reference.is_some() {
            return self.handle_violation(context, Violation::ServerPacket, out);
        }
        let settings = context.broker.settings();
        let ending = Ending {
            discards_will: disconnect.reason_code == ReasonCode::Success,
            expiry_interval: seconds.map(|seconds| v3::capped_expiry_interval(seconds, settings)),
        };
        self.end(
            context,
            ending,
            CloseReason::Disconnected(disconnect.reason_code),
        );
        Outcome::Close
    }

    /// The client broke the protocol: it is told why, if its version can say it, and the connection
    /// ends [MQTT-4.13.1-1].
    pub(super) fn handle_violation(
        &mut self,
        context: &mut Occasion<'_>,
        violation: Violation,
        out: &mut Output,
    ) -> Outcome {
        match &self.state {
            State::New => {
                if let Violation::Decode(error) = violation {
                    self.refuse_broken_connect(error, out);
                }
            }
            State::Connecting(connecting) => {
                let reader = connecting.reader();
                let _: Outcome = self.refuse_connect(reader, violation.reason_code(), out);
            }
            State::Connected(connected) => {
                connected.send_disconnect(violation.reason_code(), &violation.to_string(), out);
            }
            State::Closed(_) => return Outcome::Close,
        }
        self.end(
            context,
            Ending::default(),
            CloseReason::Violation(violation),
        );
        Outcome::Close
    }

    /// The Network Connection ended, or is to end because the shell cannot go on with it.
    pub fn handle_lost(&mut self, context: &mut Occasion<'_>) {
        if !matches!(self.state, State::Closed(_)) {
            self.end(context, Ending::default(), CloseReason::Lost);
        }
    }

    /// The rest of a packet did not come in the time that the shell gives it.
    pub fn handle_packet_timeout(
        &mut self,
        context: &mut Occasion<'_>,
        out: &mut Output,
    ) -> Outcome {
        self.handle_violation(context, Violation::PacketTimeout, out)
    }

    /// Another connection has the session now [MQTT-3.1.4-3].
    pub fn handle_taken_over(&mut self, out: &mut Output) -> Outcome {
        if let State::Connected(connected) = &self.state {
            connected.send_disconnect(ReasonCode::SessionTakenOver, "", out);
            self.state = State::Closed(CloseReason::TakenOver);
        }
        Outcome::Close
    }

    /// The broker ends the connection, for this reason.
    pub fn close(
        &mut self,
        context: &mut Occasion<'_>,
        reason_code: ReasonCode,
        out: &mut Output,
    ) -> Outcome {
        match &self.state {
            State::Connected(connected) => connected.send_disconnect(reason_code, "", out),
            State::Connecting(connecting) => {
                let reader = connecting.reader();
                let _: Outcome = self.refuse_connect(reader, ReasonCode::ServerUnavailable, out);
            }
            State::New | State::Closed(_) => {}
        }
        if !matches!(self.state, State::Closed(_)) {
            self.end(
                context,
                Ending::default(),
                CloseReason::ByBroker(reason_code),
            );
        }
        Outcome::Close
    }

    pub(super) fn end(&mut self, context: &mut Occasion<'_>, ending: Ending, reason: CloseReason) {
        let state = std::mem::replace(&mut self.state, State::Closed(reason));
        if let State::Connected(connected) = state {
            context
                .broker
                .detach(context, &connected.session, self.id, ending);
        }
    }
}

impl Connected {
    /// DISCONNECT, which a server has in 5.0 only. The text is left out if the client did not ask
    /// for problems [MQTT-3.1.2-29] or it makes the packet too large [MQTT-3.14.2-3].
    pub(super) fn send_disconnect(&self, reason_code: ReasonCode, text: &str, out: &mut Output) {
        if !self.version.is_v5() {
            return;
        }
        let reason_code = reason_code.nearest_in(PacketType::Disconnect);
        if !text.is_empty() && self.wants_problems {
            let properties = DisconnectProperties {
                reason_string: Some(text),
                ..DisconnectProperties::default()
            };
            let disconnect = Disconnect {
                reason_code,
                properties,
            };
            if self.send(&Packet::Disconnect(disconnect), out) {
                return;
            }
        }
        self.send(&Packet::Disconnect(Disconnect::new(reason_code)), out);
    }
}
