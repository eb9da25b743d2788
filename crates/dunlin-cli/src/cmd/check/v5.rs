//! What brokers do in 5.0.

mod delivery;
mod filter;
mod retained;
mod session;
mod subscription;
mod will;

use dunlin_client::codec::ConnectProperties;
use dunlin_client::codec::ProtocolVersion::V5;

use super::bench::{Lab, Opening, Tester};
use super::probe::{Probe, Wrong, probes};

type Tried = Result<(), Wrong>;

#[rustfmt::skip]
pub(super) const PROBES: &[Probe] = probes! { V5;
    "MQTT-3.1.2-4" "a clean start discards the session" => session::clean_start,
    "MQTT-3.1.2-5" "a session is resumed with its subscriptions and messages" => session::resume,
    "MQTT-3.1.2-23" "a session without an expiry interval ends with its connection" => session::no_expiry,
    "MQTT-3.1.2-8" "a will is published when the connection breaks" => will::will,
    "MQTT-3.1.2-10" "a will is not published after a normal disconnection" => will::will_discarded,
    "MQTT-3.1.2-15" "a will with Will Retain is retained" => will::will_retained,
    "MQTT-3.1.2-22" "a client that is silent for too long is disconnected" => session::keep_alive,
    "MQTT-3.1.2-24" "no packet is larger than the client's Maximum Packet Size" => session::maximum_packet_size,
    "MQTT-3.1.2-27" "without a Topic Alias Maximum no alias is sent" => delivery::no_aliases,
    "MQTT-3.1.2-28" "Response Information comes only when it is asked for" => session::response_information,
    "MQTT-3.1.3-7" "a client without an identifier is told which it has" => session::assigned,
    "MQTT-3.1.3-9" "a will with a delay waits, and a new connection cancels it" => will::will_delay,
    "MQTT-3.1.4-3" "a second connection with the identifier ends the first" => session::takeover,
    "MQTT-3.2.2-2" "Session Present is 0 after a clean start" => session::session_present,
    "MQTT-3.3.1-5" "a retained message goes to later subscribers, the last of its topic" => retained::retained,
    "MQTT-3.3.1-6" "a retained message without a payload removes it" => retained::retained_removed,
    "MQTT-3.3.1-8" "a message without RETAIN leaves the retained one" => retained::retained_left,
    "MQTT-3.3.1-9" "with Retain Handling 0 retained messages come with each subscription" => retained::handling_0,
    "MQTT-3.3.1-10" "with Retain Handling 1 they come with a new subscription alone" => retained::handling_1,
    "MQTT-3.3.1-11" "with Retain Handling 2 they do not come" => retained::handling_2,
    "MQTT-3.3.1-12" "RETAIN is 0 for those who were subscribed" => retained::retain_cleared,
    "MQTT-3.3.1-13" "RETAIN stays with Retain As Published" => retained::retain_as_published,
    "MQTT-3.3.2-4" "the Payload Format Indicator is forwarded" => delivery::properties,
    "MQTT-3.3.2-5" "a message that has expired is not delivered" => delivery::expired,
    "MQTT-3.3.2-6" "the expiry interval that is forwarded has the wait taken off" => delivery::expiry_left,
    "MQTT-3.3.2-7" "a Topic Alias holds for its connection alone" => delivery::alias_forgotten,
    "MQTT-3.3.2-12" "a Topic Alias stands for its topic" => delivery::alias,
    "MQTT-3.3.2-9" "a Topic Alias above the maximum is refused" => delivery::alias_too_high,
    "MQTT-3.3.2-18" "User Properties keep their order" => delivery::user_properties,
    "MQTT-3.3.4-1" "QoS 0, 1 and 2 are acknowledged as they must" => delivery::acknowledged,
    "MQTT-3.3.4-3" "a Subscription Identifier comes with the message" => subscription::identifier,
    "MQTT-3.3.4-4" "overlapping subscriptions give all their identifiers" => subscription::identifiers,
    "MQTT-3.3.4-9" "no more is in flight than the client's Receive Maximum" => delivery::receive_maximum,
    "MQTT-3.8.3-3" "No Local keeps a client's own messages from it" => subscription::no_local,
    "MQTT-3.8.4-3" "subscribing again replaces the options" => subscription::replaced,
    "MQTT-3.8.4-6" "SUBACK has a code for each filter, in their order" => subscription::suback,
    "MQTT-3.8.4-8" "the QoS of delivery is the lower of both" => subscription::lower_qos,
    "MQTT-3.10.4-2" "after UNSUBSCRIBE nothing comes" => subscription::unsubscribed,
    "MQTT-3.10.4-5" "UNSUBACK comes even if nothing was subscribed to" => subscription::unsubscribed_nothing,
    "MQTT-3.12.4-1" "PINGREQ is answered" => session::ping,
    "MQTT-4.3.3-10" "a message of QoS 2 that is sent twice is delivered once" => delivery::exactly_once,
    "MQTT-4.4.0-1" "unacknowledged messages are sent again with DUP, on a new connection" => delivery::again,
    "MQTT-4.6.0-6" "messages come in the order of their publishing" => delivery::order,
    "MQTT-4.7.1-1" "# stands alone and last in a filter" => filter::bad_hash,
    "MQTT-4.7.1-2" "+ stands for a whole level" => filter::bad_plus,
    "MQTT-4.7.0-1" "# matches its parent and all below, + one level" => filter::wildcards,
    "MQTT-4.7.2-1" "# and + do not match topics that begin with $" => filter::dollar,
    "MQTT-4.7.3-4" "topics are compared letter by letter" => filter::letters,
    "MQTT-4.8.2-1" "a share without a name is refused" => filter::bad_share,
    "MQTT-4.8.2-3" "each message goes to one member of a shared subscription" => filter::shared,
};

fn with_expiry<'a>(seconds: u32) -> Opening<'a> {
    Opening {
        properties: ConnectProperties {
            session_expiry_interval: Some(seconds),
            ..ConnectProperties::default()
        },
        ..Opening::default()
    }
}

fn resuming<'a>(seconds: u32) -> Opening<'a> {
    Opening {
        resumes: true,
        ..with_expiry(seconds)
    }
}

fn needs_retained(lab: &Lab<'_>) -> Tried {
    if lab.offer().retain {
        Ok(())
    } else {
        Err(Wrong::NotOffered("the broker keeps no retained messages"))
    }
}

async fn forget(client: &mut Tester, topic: &str) -> Tried {
    client.unsubscribe(topic).await?;
    client.say(topic, "", true).await
}
