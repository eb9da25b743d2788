//! Subscribing and unsubscribing.

use std::num::NonZeroU32;

use dunlin_codec::{
    AckProperties, Packet, QoS, ReasonCode, RetainHandling, Suback, Subscribe, SubscribeProperties,
    SubscriptionOptions, SubscriptionRequest, TopicFilter, Unsuback, Unsubscribe,
    UnsubscribeProperties, UserPropertiesBuf,
};

use super::{V5, V311, id, next_event, pair};
use crate::{Event, RequestError, SubscribeRequest, Subscribed, UnsubscribeRequest, Unsubscribed};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}

#[tokio::test]
async fn each_filter_has_its_code() {
    let (client, _events, mut peer) = pair(V5).await;
    let mut user = UserPropertiesBuf::new();
    user.push("a", "1").unwrap();
    let options = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let request = SubscribeRequest {
        filters: vec![
            ("a/+".to_owned(), options),
            ("b".to_owned(), SubscriptionOptions::default()),
        ],
        subscription_identifier: NonZeroU32::new(7),
        user_properties: user.clone(),
    };
    let (subscribed, ()) = tokio::join!(client.subscribe(request), async {
        peer.expect(&Packet::Subscribe(Subscribe {
            packet_id: id(1),
            properties: SubscribeProperties {
                subscription_identifier: NonZeroU32::new(7),
                user_properties: user.as_view(),
            },
            requests: vec![
                SubscriptionRequest {
                    filter: filter("a/+"),
                    options,
                },
                SubscriptionRequest {
                    filter: filter("b"),
                    options: SubscriptionOptions::default(),
                },
            ],
        }))
        .await
        .unwrap();
        peer.send(&Packet::Suback(Suback {
            packet_id: id(1),
            properties: AckProperties {
                reason_string: Some("half"),
                ..AckProperties::default()
            },
            reason_codes: vec![ReasonCode::GrantedQoS2, ReasonCode::NotAuthorized],
        }))
        .await
        .unwrap();
    });
    assert_eq!(
        subscribed.unwrap(),
        Subscribed {
            reason_codes: vec![ReasonCode::GrantedQoS2, ReasonCode::NotAuthorized],
            reason_string: Some("half".into()),
        }
    );
}

#[tokio::test]
async fn unsubscribing_has_codes_in_every_version() {
    for version in [V5, V311] {
        let (client, _events, mut peer) = pair(version).await;
        let (unsubscribed, ()) =
            tokio::join!(client.unsubscribe(UnsubscribeRequest::new("a/#")), async {
                peer.expect(&Packet::Unsubscribe(Unsubscribe {
                    packet_id: id(1),
                    properties: UnsubscribeProperties::default(),
                    filters: vec![filter("a/#")],
                }))
                .await
                .unwrap();
                peer.send(&Packet::Unsuback(Unsuback {
                    packet_id: id(1),
                    properties: AckProperties::default(),
                    reason_codes: vec![ReasonCode::NoSubscriptionExisted],
                }))
                .await
                .unwrap();
            });
        let code = if version == V5 {
            ReasonCode::NoSubscriptionExisted
        } else {
            ReasonCode::Success
        };
        assert_eq!(
            unsubscribed.unwrap(),
            Unsubscribed {
                reason_codes: vec![code],
                reason_string: None,
            }
        );
    }
}

#[tokio::test]
async fn wrong_requests_are_not_sent() {
    let (client, _events, _peer) = pair(V5).await;
    let wrong = client
        .subscribe(SubscribeRequest::new("a/#/b", QoS::AtMostOnce))
        .await;
    assert!(matches!(wrong, Err(RequestError::Topic(_))), "{wrong:?}");
    let none = client.subscribe(SubscribeRequest::default()).await;
    assert_eq!(none, Err(RequestError::NoFilter));
    let none = client.unsubscribe(UnsubscribeRequest::default()).await;
    assert_eq!(none, Err(RequestError::NoFilter));
}

#[tokio::test]
async fn a_suback_with_too_few_codes_ends_the_connection() {
    let (client, mut events, mut peer) = pair(V5).await;
    let mut request = SubscribeRequest::new("a", QoS::AtMostOnce);
    request
        .filters
        .push(("b".to_owned(), SubscriptionOptions::default()));
    let (subscribed, code) = tokio::join!(client.subscribe(request), async {
        peer.receive().await.unwrap();
        peer.send(&Packet::Suback(Suback {
            packet_id: id(1),
            properties: AckProperties::default(),
            reason_codes: vec![ReasonCode::Success],
        }))
        .await
        .unwrap();
        peer.expect_disconnect().await.unwrap()
    });
    assert_eq!(code, ReasonCode::ProtocolError);
    assert_eq!(subscribed, Err(RequestError::ConnectionLost));
    let event = next_event(&mut events).await;
    assert!(matches!(event, Some(Event::Disconnected(_))), "{event:?}");
}
