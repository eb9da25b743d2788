//! Mount points: what stands before the topics of a listener's clients in the rest of the broker.
//!
//! It is put before every topic that comes from a client here; the core takes it off what goes to the
//! client. Response Topics stay as they are, since who answers to one has the same mount point.

use dunlin_codec::{
    Connect, DecodeError, Malformed, Packet, Publish, Subscribe, SubscriptionRequest, TopicError,
    TopicFilter, TopicName, Unsubscribe, Will,
};

/// Gives a packet to `run` with the mount point before each of its topics, or says which of them is too
/// long for that.
pub(super) fn mounted<R>(
    packet: Packet<'_>,
    mount_point: &str,
    run: impl FnOnce(Result<Packet<'_>, DecodeError>) -> R,
) -> R {
    let error = |error: TopicError| DecodeError::from(Malformed::Topic(error));
    match packet {
        Packet::Publish(publish) if !publish.topic.is_empty() => {
            let topic = format!("{mount_point}{}", publish.topic);
            let publish = TopicName::parse(&topic).map(|topic| Publish { topic, ..publish });
            run(publish.map(Packet::Publish).map_err(error))
        }
        Packet::Connect(connect) => {
            let Some(will) = connect.will else {
                return run(Ok(Packet::Connect(connect)));
            };
            let topic = format!("{mount_point}{}", will.topic);
            let connect = TopicName::parse(&topic).map(|topic| {
                let will = Some(Will { topic, ..will });
                Box::new(Connect { will, ..*connect })
            });
            run(connect.map(Packet::Connect).map_err(error))
        }
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.requests.iter().map(|request| request.filter);
            let filters = texts(filters, mount_point);
            let requests = subscribe.requests.iter().zip(&filters);
            let requests = requests.map(|(request, text)| {
                let filter = TopicFilter::parse(text)?;
                Ok(SubscriptionRequest { filter, ..*request })
            });
            let subscribe = requests
                .collect::<Result<Vec<_>, _>>()
                .map(|requests| Subscribe {
                    packet_id: subscribe.packet_id,
                    properties: subscribe.properties,
                    requests,
                });
            run(subscribe.map(Packet::Subscribe).map_err(error))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters = texts(unsubscribe.filters.iter().copied(), mount_point);
            let filters = filters.iter().map(|text| TopicFilter::parse(text));
            let unsubscribe = filters
                .collect::<Result<Vec<_>, _>>()
                .map(|filters| Unsubscribe {
                    packet_id: unsubscribe.packet_id,
                    properties: unsubscribe.properties,
                    filters,
                });
            run(unsubscribe.map(Packet::Unsubscribe).map_err(error))
        }
        other => run(Ok(other)),
    }
}

/// The filters with the mount point before what messages are matched against.
fn texts<'a>(filters: impl Iterator<Item = TopicFilter<'a>>, mount_point: &str) -> Vec<String> {
    let text = |filter: TopicFilter<'a>| match filter.share() {
        Ok(Some(share)) => {
            let inner = share.filter;
            match share.name {
                Some(name) => format!("$share/{name}/{mount_point}{inner}"),
                None => format!("$queue/{mount_point}{inner}"),
            }
        }
        Ok(None) => format!("{mount_point}{filter}"),
        // Its answer is in SUBACK.
        Err(_) => filter.to_string(),
    };
    filters.map(text).collect()
}

#[cfg(test)]
mod tests;
