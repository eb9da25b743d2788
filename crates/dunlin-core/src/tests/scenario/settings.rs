//! Settings as text, by the path of their fields.

use std::time::Duration;

use dunlin_codec::{QoS, TopicFilter};

use crate::settings::{FilterRule, QueuePolicy, RetainedPolicy, Settings, Strategy};

type Result<T> = std::result::Result<T, String>;

/// Changes one setting.
pub(crate) fn set(settings: &mut Settings, path: &str, value: &str) -> Result<()> {
    let (mqtt, session) = (&mut settings.mqtt, &mut settings.session);
    match path {
        "mqtt.packet_bytes_max" => mqtt.packet_bytes_max = number(value)?,
        "mqtt.connect_packet_bytes_max" => mqtt.connect_packet_bytes_max = number(value)?,
        "mqtt.connect_timeout" => mqtt.connect_timeout = duration(value)?,
        "mqtt.keep_alive_max" => mqtt.keep_alive_max = optional(value)?,
        "mqtt.receive_maximum" => mqtt.receive_maximum = number(value)?,
        "mqtt.topic_alias_maximum" => mqtt.topic_alias_maximum = number(value)?,
        "mqtt.outbound_topic_alias_max" => mqtt.outbound_topic_alias_max = number(value)?,
        "mqtt.topic_levels_max" => mqtt.topic_levels_max = number(value)?,
        "mqtt.topic_bytes_max" => mqtt.topic_bytes_max = number(value)?,
        "mqtt.client_id_bytes_max" => mqtt.client_id_bytes_max = number(value)?,
        "mqtt.user_properties_max" => mqtt.user_properties_max = number(value)?,
        "mqtt.qos_max" => mqtt.qos_max = qos(value)?,
        "mqtt.retain_available" => mqtt.retain_available = flag(value)?,
        "mqtt.wildcard_subscription_available" => {
            mqtt.wildcard_subscription_available = flag(value)?;
        }
        "mqtt.shared_subscription_available" => mqtt.shared_subscription_available = flag(value)?,
        "mqtt.response_information" => mqtt.response_information = value.to_owned(),
        "mqtt.resend_interval" => mqtt.resend_interval = optional(value)?,
        "session.count_max" => session.count_max = number(value)?,
        "session.expiry_interval_max" => session.expiry_interval_max = optional(value)?,
        "session.expiry_interval_3x" => session.expiry_interval_3x = optional(value)?,
        "session.subscriptions_max" => session.subscriptions_max = number(value)?,
        "session.in_flight_max" => session.in_flight_max = number(value)?,
        "session.outbox_bytes_max" => session.outbox_bytes_max = number(value)?,
        "session.queues_memory_bytes_max" => session.queues_memory_bytes_max = number(value)?,
        "session.stored_payload_bytes_min" => session.stored_payload_bytes_min = number(value)?,
        "session.queue.messages_max" => session.queue.messages_max = number(value)?,
        "session.queue.bytes_max" => session.queue.bytes_max = number(value)?,
        "session.queue.policy" => {
            session.queue.policy = match value {
                "drop-oldest" => QueuePolicy::DropOldest,
                "drop-newest" => QueuePolicy::DropNewest,
                "refuse" => QueuePolicy::Refuse,
                _ => return Err(format!("no policy {value}")),
            };
        }
        "session.queue.offline_qos_min" => session.queue.offline_qos_min = qos(value)?,
        // Each of the next adds an entry.
        "session.queue.priorities" => {
            let (filter, priority) = value.split_once(' ').ok_or("filter and priority")?;
            let entry = (rule(filter)?, number(priority)?);
            session.queue.priorities.push(entry);
        }
        "session.queue.keep_last" => session.queue.keep_last.push(rule(value)?),
        "shared.durable_groups" => settings.shared.durable_groups.push(rule(value)?),
        "shared.groups" => {
            let (pattern, name) = value.split_once(' ').ok_or("pattern and strategy")?;
            let entry = (pattern.to_owned(), strategy(name)?);
            settings.shared.groups.push(entry);
        }
        "shared.share_strategy" => settings.shared.share_strategy = strategy(value)?,
        "shared.queue_strategy" => settings.shared.queue_strategy = strategy(value)?,
        "retained.messages_max" => settings.retained.messages_max = number(value)?,
        "retained.bytes_max" => settings.retained.bytes_max = number(value)?,
        "retained.payload_bytes_max" => settings.retained.payload_bytes_max = number(value)?,
        "retained.policy_at_limit" => {
            settings.retained.policy_at_limit = match value {
                "refuse" => RetainedPolicy::Refuse,
                "drop-oldest" => RetainedPolicy::DropOldest,
                _ => return Err(format!("no policy {value}")),
            };
        }
        "access.denied_publish_disconnects" => {
            settings.access.denied_publish_disconnects = flag(value)?;
        }
        "access.revoked_disconnects" => settings.access.revoked_disconnects = flag(value)?,
        "will_delay_max" => settings.will_delay_max = optional(value)?,
        "will_grace" => settings.will_grace = duration(value)?,
        "message_expiry_max" => settings.message_expiry_max = optional(value)?,
        _ => return Err(format!("no setting {path}")),
    }
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

fn flag(text: &str) -> Result<bool> {
    number::<u8>(text).map(|number| number > 0)
}

fn qos(text: &str) -> Result<QoS> {
    QoS::from_u8(number(text)?).ok_or_else(|| format!("no QoS {text}"))
}

fn rule(text: &str) -> Result<FilterRule> {
    let filter = TopicFilter::parse(text).map_err(|error| error.to_string())?;
    Ok(FilterRule::new(filter))
}

fn strategy(text: &str) -> Result<Strategy> {
    Ok(match text {
        "random" => Strategy::Random,
        "round-robin" => Strategy::RoundRobin,
        "sticky" => Strategy::Sticky,
        "hash-client" => Strategy::HashClient,
        "hash-topic" => Strategy::HashTopic,
        "least-in-flight" => Strategy::LeastInFlight,
        _ => return Err(format!("no strategy {text}")),
    })
}

fn optional(text: &str) -> Result<Option<Duration>> {
    match text {
        "none" => Ok(None),
        _ => duration(text).map(Some),
    }
}

/// `1500ms`, `5s`, `2h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count: u64 = number(count)?;
    Ok(match unit {
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count * 60),
        "h" => Duration::from_secs(count * 3600),
        "d" => Duration::from_secs(count * 24 * 3600),
        _ => return Err(format!("not a time: {text}")),
    })
}
