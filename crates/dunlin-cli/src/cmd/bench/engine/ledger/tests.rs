//! Scripted streams: each counter must move for its own fault, and only for it.

use super::{Arrival, Group, Stream};

#[derive(Debug, Default, PartialEq)]
struct Counts {
    lost: u64,
    duplicates: u64,
    reordered: u64,
}

/// Counts for one subscriber that gets these numbers of the `sent` that were sent.
fn counts(sent: u64, arrivals: &[u64]) -> Counts {
    let mut group = Group::new(0, 1, 1, false);
    let mut counts = Counts::default();
    for &sequence in arrivals {
        let verdict = group.record(0, sequence, &mut []);
        counts.duplicates += u64::from(verdict.is_duplicate);
        counts.reordered += u64::from(verdict.is_reordered);
    }
    counts.lost = sent - group.streams[0].distinct();
    counts
}

fn expected(lost: u64, duplicates: u64, reordered: u64) -> Counts {
    Counts {
        lost,
        duplicates,
        reordered,
    }
}

#[test]
fn a_whole_stream_in_order_counts_nothing() {
    assert_eq!(counts(5, &[0, 1, 2, 3, 4]), expected(0, 0, 0));
}

#[test]
fn a_gap_is_a_loss_wherever_it_is() {
    assert_eq!(counts(5, &[1, 2, 3, 4]), expected(1, 0, 0), "the first");
    assert_eq!(counts(5, &[0, 1, 4]), expected(2, 0, 0), "in the middle");
    assert_eq!(counts(5, &[0, 1, 2]), expected(2, 0, 0), "the last");
    assert_eq!(counts(5, &[]), expected(5, 0, 0), "all");
}

#[test]
fn a_second_copy_is_a_duplicate_and_no_loss_or_reordering() {
    assert_eq!(counts(3, &[0, 0, 1, 2]), expected(0, 1, 0));
    assert_eq!(counts(3, &[0, 1, 2, 0, 1, 2]), expected(0, 3, 0));
    assert_eq!(counts(4, &[0, 3, 3, 0]), expected(2, 2, 0));
}

#[test]
fn a_late_one_is_reordered_and_no_loss_or_duplicate() {
    assert_eq!(counts(4, &[0, 2, 1, 3]), expected(0, 0, 1));
    assert_eq!(counts(4, &[3, 2, 1, 0]), expected(0, 0, 3));
    assert_eq!(
        counts(4, &[0, 2, 1, 1, 3]),
        expected(0, 1, 1),
        "late, twice"
    );
}

#[test]
fn a_gap_closes_from_either_end_and_from_within() {
    let mut stream = Stream::default();
    assert_eq!(stream.record(9), Arrival::New { skipped: 9 });
    for late in [0, 8, 4, 3, 5, 1, 2, 6, 7] {
        assert_eq!(stream.record(late), Arrival::Late, "{late}");
        assert_eq!(stream.record(late), Arrival::Duplicate, "{late} again");
    }
    assert_eq!(stream.distinct(), 10);
    assert!(stream.missing.is_empty());
}

#[test]
fn many_gaps_stay_bounded_and_lost() {
    let mut stream = Stream::default();
    let gaps = 10_000;
    for number in 0..gaps {
        stream.record(2 * number + 1);
    }
    assert_eq!(stream.distinct(), gaps);
    assert_eq!(stream.missing.len(), super::MISSING_RANGES_MAX);
    assert_eq!(stream.record(2 * gaps - 2), Arrival::Late, "the newest gap");
}

#[test]
fn members_of_a_divided_group_see_every_other_message() {
    let mut group = Group::new(0, 1, 1, true);
    let (mut one, mut other) = ([0], [0]);
    for sequence in [0, 2] {
        assert!(!group.record(0, sequence, &mut one).is_reordered);
    }
    // Lower than what the first member saw, which is no reordering.
    let verdict = group.record(0, 1, &mut other);
    assert!(!verdict.is_reordered && !verdict.is_duplicate);
    assert_eq!(verdict.credit, 1);
    assert!(group.record(0, 2, &mut other).is_duplicate, "both got it");
    assert!(!group.record(0, 4, &mut other).is_reordered);
    assert!(group.record(0, 3, &mut other).is_reordered, "after the 4th");
    assert_eq!(group.streams[0].distinct(), 5);
}

#[test]
fn what_was_skipped_is_credited_once() {
    let mut group = Group::new(0, 1, 1, false);
    let credits: Vec<u64> = [0, 3, 1, 3, 4]
        .map(|sequence| group.record(0, sequence, &mut []).credit)
        .to_vec();
    assert_eq!(credits, [1, 3, 0, 0, 1]);
}

#[test]
fn a_group_knows_whose_messages_it_hears() {
    let group = Group::new(3, 50, 2, false);
    assert_eq!(group.index(3), Some(0));
    assert_eq!(group.index(53), Some(1));
    for stranger in [0, 2, 4, 52, 103] {
        assert_eq!(group.index(stranger), None, "{stranger}");
    }
}
