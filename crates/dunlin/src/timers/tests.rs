use dunlin_core::id::ConnectionId;
use dunlin_core::time::Time;

use super::{SLOTS, TICK_MILLIS, Wheel};

const START: u64 = 1_000_000;

fn due(wheel: &mut Wheel, at: u64) -> Vec<u64> {
    let mut due = Vec::new();
    wheel.take_due(Time::from_millis(at), &mut due);
    due.into_iter()
        .map(|(_, ConnectionId(number))| number)
        .collect()
}

#[test]
fn a_connection_comes_up_at_its_time_and_not_before() {
    let mut wheel = Wheel::new(Time::from_millis(START));
    wheel.insert(Time::from_millis(START + 1001), ConnectionId(1));
    wheel.insert(Time::from_millis(START + 400), ConnectionId(2));
    assert!(due(&mut wheel, START + 399).is_empty());
    assert_eq!(due(&mut wheel, START + 400), [2]);
    assert!(due(&mut wheel, START + 1001).is_empty());
    assert_eq!(due(&mut wheel, START + 1000 + TICK_MILLIS), [1]);
}

#[test]
fn a_time_that_has_passed_comes_up_at_the_next_tick() {
    let mut wheel = Wheel::new(Time::from_millis(START));
    wheel.insert(Time::ZERO, ConnectionId(1));
    assert_eq!(due(&mut wheel, START), [1]);
}

#[test]
fn a_time_beyond_the_wheel_comes_up_within_one_turn() {
    let mut wheel = Wheel::new(Time::from_millis(START));
    let turn = SLOTS as u64 * TICK_MILLIS;
    let tick = wheel.insert(Time::from_millis(START + 10 * turn), ConnectionId(1));
    assert_eq!(due(&mut wheel, START + turn), [1]);
    assert!(tick.0 <= (START + turn) / TICK_MILLIS);
}

#[test]
fn after_a_long_stop_everything_comes_up_once() {
    let mut wheel = Wheel::new(Time::from_millis(START));
    for number in 0..1000 {
        wheel.insert(Time::from_millis(START + number * 77), ConnectionId(number));
    }
    let later = START + 1_000_000_000;
    let mut numbers = due(&mut wheel, later);
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..1000));
    assert!(due(&mut wheel, later + 10_000).is_empty());
    wheel.insert(Time::from_millis(later + 20_000), ConnectionId(7));
    assert_eq!(due(&mut wheel, later + 20_000 + TICK_MILLIS), [7]);
}
