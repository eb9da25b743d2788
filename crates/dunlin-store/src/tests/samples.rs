//! Records of all kinds, that own what they hold.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use dunlin_codec::{PacketIdentifier, QoS, RetainHandling, SubscriptionOptions};
use dunlin_core::id::SessionNumber;
use dunlin_core::message::{Message, MessageParts};
use dunlin_core::storage::{
    OwnRules, PageRecord, PublishRecord, Receiver, Record, SessionRecord, SubscriptionRecord,
    WillRecord,
};
use dunlin_core::time::Time;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::shown;
use crate::record::{decode, encode};

#[derive(Clone, Debug)]
struct Sample {
    kind: u8,
    numbers: [u64; 4],
    bits: u8,
    texts: [String; 2],
    filter: String,
    bytes: [Vec<u8>; 2],
    options: SubscriptionOptions,
    packet_id: PacketIdentifier,
    identifiers: Vec<NonZeroU32>,
    receivers: Vec<ReceiverSample>,
}

type ReceiverSample = (u64, QoS, bool, Vec<NonZeroU32>, Option<String>);

const KINDS: u8 = 16;

fn filter() -> impl Strategy<Value = String> {
    "(\\$share/g/)?[a-z]{1,3}(/[a-zä]{0,3}|/\\+){0,3}(/#)?"
}

fn qos() -> impl Strategy<Value = QoS> {
    prop::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn options() -> impl Strategy<Value = SubscriptionOptions> {
    let handling = prop::sample::select(&[
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(qos, no_local, retain_as_published, retain_handling)| SubscriptionOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        },
    )
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)]
}

fn identifiers() -> impl Strategy<Value = Vec<NonZeroU32>> {
    vec(any::<NonZeroU32>(), 0..3)
}

fn sample() -> impl Strategy<Value = Sample> {
    let receiver = (
        number(),
        qos(),
        any::<bool>(),
        identifiers(),
        option::of(filter()),
    );
    let bytes = || vec(any::<u8>(), 0..40);
    let large = prop_oneof![9 => bytes(), 1 => vec(any::<u8>(), 16_000..17_000)];
    let text = || "[a-zß/ ]{0,9}";
    (
        (
            0..KINDS,
            [number(), number(), number(), number()],
            any::<u8>(),
        ),
        ("[a-zß/]{1,9}", text(), filter(), bytes(), large),
        (
            options(),
            any::<std::num::NonZeroU16>(),
            identifiers(),
            vec(receiver, 0..4),
        ),
    )
        .prop_map(|((kind, numbers, bits), texts, more)| Sample {
            kind,
            numbers,
            bits,
            texts: [texts.0, texts.1],
            filter: texts.2,
            bytes: [texts.3, texts.4],
            options: more.0,
            packet_id: PacketIdentifier::new(more.1.get()).unwrap(),
            identifiers: more.2,
            receivers: more.3,
        })
}

impl Sample {
    fn address(&self) -> Option<IpAddr> {
        let [first, second, ..] = self.numbers;
        match first % 3 {
            0 => None,
            1 => {
                let [a, b, c, d, ..] = second.to_le_bytes();
                Some(Ipv4Addr::new(a, b, c, d).into())
            }
            _ => Some(Ipv6Addr::from_bits(second.into()).into()),
        }
    }

    fn own_rules(&self) -> OwnRules {
        match self.numbers[2] % 3 {
            0 => OwnRules::None,
            1 => OwnRules::Allow,
            _ => OwnRules::Silent,
        }
    }

    /// Whether this bit is set.
    fn is(&self, bit: u8) -> bool {
        self.bits & 1 << bit != 0
    }

    fn message(&self) -> Message {
        let parts = MessageParts {
            sequence: self.numbers[1],
            publisher: SessionNumber::from_u64(self.numbers[2]),
            topic: &self.texts[0],
            forwarded_properties: &self.bytes[0],
            payload: &self.bytes[1],
            qos: self.options.qos,
            retain: self.is(6),
            expires_at: self.is(7).then_some(Time::from_millis(self.numbers[3])),
        };
        Message::from_parts(&parts).unwrap()
    }

    fn give<R>(&self, each: impl FnOnce(&Record<'_>) -> R) -> R {
        let [first, second, third, fourth] = self.numbers;
        let session = SessionNumber::from_u64(first);
        let message = self.message();
        let receivers = self.receivers.iter().map(|it| Receiver {
            session: SessionNumber::from_u64(it.0),
            qos: it.1,
            retain: it.2,
            identifiers: &it.3,
            group: it.4.as_deref(),
        });
        let receivers: Vec<_> = receivers.collect();
        let millis = |number| Duration::from_millis(number);
        let filter = self.filter.as_str();
        each(&match self.kind {
            0 => Record::Session(SessionRecord {
                session,
                client_id: &self.texts[1],
                is_whole: self.is(0),
                is_connected: self.is(1),
                expiry_interval: self.is(2).then_some(millis(second)),
                disconnected_at: self.is(3).then_some(Time::from_millis(third)),
                window: u32::try_from(fourth).unwrap_or(u32::MAX),
                will: self.is(4).then_some(WillRecord {
                    message: &message,
                    expiry_interval: self.is(5).then_some(millis(fourth)),
                    delay: millis(third),
                    user_name: self.is(6).then_some(&self.texts[0]),
                    address: self.address(),
                    own_rules: self.own_rules(),
                }),
                will_due: self.is(7).then_some(Time::from_millis(second)),
            }),
            1 => Record::Ended { session },
            15 => Record::WillDue {
                session,
                will: WillRecord {
                    message: &message,
                    expiry_interval: self.is(5).then_some(millis(fourth)),
                    delay: millis(third),
                    user_name: self.is(4).then_some(&self.texts[0]),
                    address: self.address(),
                    own_rules: self.own_rules(),
                },
            },
            2 => Record::Subscribed(SubscriptionRecord {
                session,
                filter,
                options: self.options,
                identifier: self.identifiers.first().copied(),
                retained_as_of: self.is(0).then_some(second),
            }),
            3 => Record::Unsubscribed { session, filter },
            4 => Record::Publish(PublishRecord {
                message: self.is(0).then_some(&message),
                retains: self.is(1),
                receivers: &receivers,
                received: self.is(2).then_some((session, self.packet_id)),
                will_of: self.is(3).then_some((session, second)),
            }),
            5 => Record::Given {
                sequence: second,
                receiver: Receiver {
                    session,
                    qos: self.options.qos,
                    retain: self.is(0),
                    identifiers: &self.identifiers,
                    group: self.is(1).then_some(filter),
                },
            },
            6 => Record::Sent {
                session,
                sequence: second,
                send: third,
            },
            7 => Record::Released {
                session,
                send: second,
            },
            8 => Record::Completed {
                session,
                send: second,
            },
            9 => Record::Done {
                session,
                sequence: second,
            },
            10 => Record::Freed {
                session,
                packet_id: self.packet_id,
            },
            11 => Record::Page(PageRecord {
                session,
                filter,
                next: self.is(0).then_some(&self.texts[0]),
            }),
            12 => Record::NotRetained { sequence: second },
            13 => Record::RewriteBegun {
                number: first,
                next_session: second,
                next_sequence: third,
            },
            _ => Record::RewriteDone { number: first },
        })
    }
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(samples in vec(sample(), 1..8)) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for sample in &samples {
            sample.give(|record| {
                expected.push(shown(record));
                encode(record, &mut bytes);
            });
        }
        let mut records = Vec::new();
        decode(&bytes, &mut records).unwrap();
        let mut found = Vec::new();
        for record in &records {
            record.give(&mut |record| found.push(shown(&record)));
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn bytes_that_end_early_are_no_record(sample in sample(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        sample.give(|record| encode(record, &mut bytes));
        let length = cut.index(bytes.len() - 1) + 1;
        if length < bytes.len() {
            prop_assert!(decode(&bytes[..length], &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn any_bytes_are_records_or_an_error(bytes in vec(any::<u8>(), 0..200), kind in 0..KINDS + 2) {
        let bytes = [vec![kind], bytes].concat();
        // Neither a panic nor memory that the bytes do not need.
        let mut records = Vec::new();
        if decode(&bytes, &mut records).is_ok() {
            prop_assert!(records.len() <= bytes.len());
        }
    }
}
