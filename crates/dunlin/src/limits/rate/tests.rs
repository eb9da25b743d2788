use super::*;

const fn at(millis: u64) -> Time {
    Time::from_millis(1_000_000 + millis)
}

#[test]
fn a_bucket_holds_a_second() {
    let mut bucket = Bucket::full(10, at(0));
    assert_eq!(bucket.take(10, 10, at(0)), None);
    assert_eq!(bucket.take(1, 10, at(0)), Some(at(100)));
    assert_eq!(bucket.take(1, 10, at(100)), Some(at(200)));
    assert_eq!(bucket.take(5, 10, at(700)), None);
    // However long nothing is taken.
    assert_eq!(bucket.take(10, 10, at(1_000_000)), None);
    assert_eq!(bucket.take(20, 10, at(1_000_000)), Some(at(1_002_000)));
    assert!(bucket.take(u64::MAX, 10, at(1_000_000)).is_some());
}

#[test]
fn an_address_that_connects_too_fast_is_refused_and_others_are_not() {
    let rates = AddressRates::new(2).unwrap();
    let admits = |address: &str, millis| rates.admits(address.parse().unwrap(), at(millis));
    assert!(admits("192.0.2.1", 0) && admits("192.0.2.1", 0));
    assert!(!admits("192.0.2.1", 0) && !admits("::ffff:192.0.2.1", 0));
    assert!(admits("192.0.2.2", 0));
    assert!(!admits("192.0.2.1", 499) && admits("192.0.2.1", 500));
    // All addresses of a network of 64 bits are one owner's.
    assert!(admits("2001:db8::1", 0) && admits("2001:db8::2", 0));
    assert!(!admits("2001:db8::3", 0) && admits("2001:db8:0:1::3", 0));
    assert!(AddressRates::new(0).is_none());
}

#[test]
fn the_number_of_addresses_is_bounded() {
    let rates = AddressRates::new(1).unwrap();
    for number in 0..100_000_u32 {
        rates.admits(std::net::Ipv4Addr::from(number).into(), at(0));
    }
    assert_eq!(rates.buckets.lock().of.len(), ADDRESSES_MAX);
    assert!(!rates.admits("203.0.113.1".parse().unwrap(), at(0)));
    assert!(rates.admits("203.0.113.1".parse().unwrap(), at(1000)));
    assert_eq!(rates.buckets.lock().of.len(), 1);
}

#[test]
fn a_client_is_held_to_messages_and_to_bytes() {
    let rates = ClientRates {
        messages: 2,
        bytes: 1000,
    };
    let mut sent = None;
    assert_eq!(rates.note(&mut sent, (1, 600), at(0)), None);
    assert_eq!(rates.note(&mut sent, (0, 600), at(0)), Some(at(200)));
    assert_eq!(rates.note(&mut sent, (2, 0), at(1000)), None);
    assert_eq!(rates.note(&mut sent, (1, 0), at(1000)), Some(at(1500)));
    let none = ClientRates {
        messages: 0,
        bytes: 0,
    };
    assert!(rates.is_limited() && !none.is_limited());
}
