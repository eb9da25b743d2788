//! From options to what the core holds to.

use dunlin_core::settings::{
    AccessSettings, DurabilitySettings, FilterRule, MqttSettings, QueuePolicy, QueueSettings,
    RetainedPolicy, RetainedSettings, SessionSettings, Settings, SharedSettings, Strategy,
};

use dunlin_core::storage::Durability;

use crate::config::{self, Config, ShareStrategy, TopicFilterBuf};

/// The part of the configuration that concerns the rules of MQTT.
pub(crate) fn core_settings(config: &Config) -> Settings {
    Settings {
        mqtt: mqtt(&config.mqtt),
        session: session(&config.session),
        retained: RetainedSettings {
            messages_max: config.retained.messages_max,
            bytes_max: config.retained.bytes_max,
            payload_bytes_max: config.retained.payload_bytes_max,
            policy_at_limit: match config.retained.policy_at_limit {
                config::RetainedPolicy::Refuse => RetainedPolicy::Refuse,
                config::RetainedPolicy::DropOldest => RetainedPolicy::DropOldest,
            },
        },
        shared: SharedSettings {
            share_strategy: strategy(config.shared.share_strategy),
            queue_strategy: strategy(config.shared.queue_strategy),
            groups: config
                .shared
                .groups
                .iter()
                .map(|entry| (entry.group.as_str().to_owned(), strategy(entry.strategy)))
                .collect(),
            durable_groups: config.shared.durable_groups.iter().map(rule).collect(),
        },
        access: AccessSettings {
            denied_publish_disconnects: config.access.denied_publish_disconnects,
            revoked_disconnects: config.access.revoked_disconnects,
        },
        will_delay_max: Some(config.will.delay_max),
        message_expiry_max: config.message.expiry_max,
        durability: DurabilitySettings {
            usual: durability(config.durability.usual),
            topics: config
                .durability
                .topics
                .iter()
                .map(|entry| (rule(&entry.filter), durability(entry.durability)))
                .collect(),
            ..DurabilitySettings::default()
        },
        will_grace: config.will.grace_period,
    }
}

const fn durability(word: config::Durability) -> Durability {
    match word {
        config::Durability::Memory => Durability::Memory,
        config::Durability::Os => Durability::Os,
        config::Durability::Fsync => Durability::Fsync,
    }
}

fn mqtt(mqtt: &config::MqttConfig) -> MqttSettings {
    MqttSettings {
        packet_bytes_max: saturated(mqtt.packet_bytes_max),
        connect_packet_bytes_max: saturated(mqtt.connect_packet_bytes_max),
        connect_timeout: mqtt.connect_timeout,
        keep_alive_max: mqtt.keep_alive_max,
        receive_maximum: mqtt.receive_maximum,
        topic_alias_maximum: mqtt.topic_alias_maximum,
        outbound_topic_alias_max: mqtt.outbound_topic_alias_max,
        topic_levels_max: mqtt.topic_levels_max,
        topic_bytes_max: mqtt.topic_bytes_max,
        client_id_bytes_max: mqtt.client_id_bytes_max,
        user_properties_max: saturated(mqtt.user_properties_max),
        qos_max: mqtt.qos_max,
        retain_available: mqtt.retain_available,
        wildcard_subscription_available: mqtt.wildcard_subscription_available,
        shared_subscription_available: mqtt.shared_subscription_available,
        response_information: mqtt.response_information.clone(),
        resend_interval: mqtt.resend_interval,
    }
}

fn session(session: &config::SessionConfig) -> SessionSettings {
    SessionSettings {
        count_max: session.count_max,
        expiry_interval_max: session.expiry_interval_max,
        expiry_interval_3x: session.expiry_interval_3x,
        subscriptions_max: session.subscriptions_max,
        in_flight_max: session.in_flight_max,
        outbox_bytes_max: session.outbox_bytes_max,
        queues_memory_bytes_max: session.queues_memory_bytes_max,
        queue: QueueSettings {
            messages_max: session.queue.messages_max,
            bytes_max: session.queue.bytes_max,
            policy: match session.queue.policy {
                config::QueuePolicy::DropOldest => QueuePolicy::DropOldest,
                config::QueuePolicy::DropNewest => QueuePolicy::DropNewest,
                config::QueuePolicy::Refuse => QueuePolicy::Refuse,
            },
            offline_qos_min: session.queue.offline_qos_min,
            priorities: session
                .queue
                .priorities
                .iter()
                .map(|entry| (rule(&entry.filter), entry.priority))
                .collect(),
            keep_last: session.queue.keep_last.iter().map(rule).collect(),
        },
        ..SessionSettings::default()
    }
}

fn rule(filter: &TopicFilterBuf) -> FilterRule {
    FilterRule::new(filter.as_filter())
}

const fn strategy(strategy: ShareStrategy) -> Strategy {
    match strategy {
        ShareStrategy::Random => Strategy::Random,
        ShareStrategy::RoundRobin => Strategy::RoundRobin,
        ShareStrategy::Sticky => Strategy::Sticky,
        ShareStrategy::HashClient => Strategy::HashClient,
        ShareStrategy::HashTopic => Strategy::HashTopic,
        ShareStrategy::LeastInFlight => Strategy::LeastInFlight,
    }
}

fn saturated(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
