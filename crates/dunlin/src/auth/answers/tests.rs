use super::*;

fn key(number: usize) -> Key {
    let mut key = Key::default();
    key[..8].copy_from_slice(&number.to_le_bytes());
    key
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_answer_holds_until_its_time_is_over_and_anew_when_it_is_given_again() {
    let start = Instant::now();
    let mut answers = Answers::new(MINUTE);
    answers.keep(key(1), "a", start);
    assert_eq!(answers.find(&key(1), start), Some("a"));
    assert_eq!(answers.find(&key(2), start), None);
    assert_eq!(answers.find(&key(1), start + MINUTE), None);
    answers.keep(key(1), "b", start + MINUTE / 2);
    assert_eq!(answers.find(&key(1), start + MINUTE), Some("b"));
    // The end of the first does not take the second with it.
    answers.keep(key(2), "c", start + MINUTE);
    assert_eq!(answers.find(&key(1), start + MINUTE), Some("b"));
    answers.keep(key(3), "d", start + MINUTE * 2);
    assert_eq!((answers.by_key.len(), answers.ends.len()), (1, 1));
}

#[test]
fn the_oldest_gives_way() {
    let start = Instant::now();
    let mut answers = Answers::new(MINUTE);
    for number in 0..ANSWERS_MAX + 5 {
        answers.keep(key(number), number, start);
        answers.keep(key(ANSWERS_MAX * 2), number, start);
        assert!(answers.ends.len() <= ANSWERS_MAX);
        assert!(answers.by_key.len() <= answers.ends.len());
    }
    assert_eq!(answers.find(&key(0), start), None);
    let last = ANSWERS_MAX + 4;
    assert_eq!(answers.find(&key(last), start), Some(last));
    assert_eq!(answers.find(&key(ANSWERS_MAX * 2), start), Some(last));
}

#[test]
fn nothing_is_kept_that_holds_for_no_time() {
    let mut answers = Answers::new(Duration::ZERO);
    answers.keep(key(1), "a", Instant::now());
    assert!(answers.by_key.is_empty() && answers.ends.is_empty());
}
