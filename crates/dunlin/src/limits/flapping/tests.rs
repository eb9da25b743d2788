use super::*;
use crate::config::Config;

fn flapping() -> Flapping {
    let config = "limits.flapping_connects_max = 3\nlimits.flapping_window_s = 10\n";
    Flapping::new(&Config::from_toml(config).unwrap().limits).unwrap()
}

#[test]
fn a_client_that_comes_too_often_within_the_window_is_noticed() {
    let flapping = flapping();
    let at = |millis| Time::from_millis(millis);
    for millis in [0, 1, 9_999] {
        assert!(!flapping.is_one_too_many("a", at(millis)));
        assert!(!flapping.is_one_too_many("b", at(millis * 100)));
    }
    assert!(flapping.is_one_too_many("a", at(9_999)));
    // Then it begins anew.
    assert!(!flapping.is_one_too_many("a", at(9_999)));
}

#[test]
fn nobody_is_watched_by_default() {
    assert!(Flapping::new(&Config::default().limits).is_none());
}

#[test]
fn the_number_of_clients_that_are_watched_is_bounded() {
    let flapping = flapping();
    for number in 0..CLIENTS_MAX + 10 {
        flapping.is_one_too_many(&number.to_string(), Time::ZERO);
    }
    assert_eq!(flapping.clients.lock().by_id.len(), CLIENTS_MAX);
    flapping.is_one_too_many("later", Time::from_millis(10_000));
    assert_eq!(flapping.clients.lock().by_id.len(), 1);
}
