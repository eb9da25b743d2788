//! Pictures of what passes.

use std::time::Duration;

use dunlin_client::codec::{Publish, TopicName};
use ratatui::crossterm::event::KeyCode;
use tokio::time::Instant;

use super::model::Model;
use super::picture;

fn add(model: &mut Model, topic: &str, payload: &[u8], retain: bool) {
    model.add(&Publish {
        topic: TopicName::parse(topic).unwrap(),
        payload,
        retain,
        ..Publish::default()
    });
}

fn model() -> Model {
    let mut model = Model::new("localhost:1883".to_owned());
    let begun = Instant::now();
    model.tick(begun);
    add(&mut model, "$SYS/broker/clients/connected", b"12", true);
    add(&mut model, "sensors/1/state", b"{\"on\": true}", true);
    for number in 0..100_u32 {
        let text = number.to_string();
        add(&mut model, "sensors/2/temperature", text.as_bytes(), false);
    }
    add(&mut model, "sensors/2/raw", b"\xff\x00", false);
    model.tick(begun + Duration::from_secs(1));
    model
}

fn lines(model: &mut Model) -> Vec<String> {
    let text = picture(model, (90, 24)).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_tree_has_counts_and_opens() {
    let mut model = model();
    let closed = lines(&mut model);
    assert!(closed[0].contains("4 topics  103 messages"), "{closed:#?}");
    assert!(closed[0].contains("12 clients"), "{closed:#?}");
    assert!(
        closed
            .iter()
            .any(|line| line.starts_with("▸ sensors") && line.ends_with(" 102"))
    );
    assert!(!closed.iter().any(|line| line.contains("temperature")));
    model.open_all();
    let open = lines(&mut model);
    let line = open
        .iter()
        .find(|line| line.contains("temperature"))
        .unwrap();
    assert!(
        line.contains(" 100 ") && line.contains("2 B") && line.ends_with("99"),
        "{line}"
    );
    let line = open.iter().find(|line| line.contains("state")).unwrap();
    assert!(line.contains(" R {\"on\": true}"), "{line}");
}

#[test]
fn keys_move_open_sort_and_search() {
    let mut model = model();
    model.press(KeyCode::Down);
    model.press(KeyCode::Right);
    let open = lines(&mut model);
    assert!(
        open.iter().any(|line| line.starts_with("▾ sensors")),
        "{open:#?}"
    );
    model.press(KeyCode::Left);
    model.press(KeyCode::Char('/'));
    assert!(model.is_searching());
    for letter in "Temp".chars() {
        model.press(KeyCode::Char(letter));
    }
    model.press(KeyCode::Enter);
    let found = lines(&mut model);
    assert!(
        found.iter().any(|line| line.contains("temperature")),
        "{found:#?}"
    );
    assert!(
        !found.iter().any(|line| line.contains("$SYS")),
        "{found:#?}"
    );
    model.press(KeyCode::Esc);
    model.press(KeyCode::Char('s'));
    let sorted = lines(&mut model);
    assert!(sorted[1].contains("msg/s▾"), "{sorted:#?}");
    assert!(sorted[2].starts_with("▸ sensors"), "{sorted:#?}");
}

#[test]
fn the_selected_message_is_shown_whole() {
    let mut model = model();
    model.open_all();
    model.press(KeyCode::End);
    let shown = lines(&mut model);
    assert!(
        shown
            .iter()
            .any(|line| line.contains("sensors/2/temperature: QoS 0, 2 B"))
    );
    for _ in 0..3 {
        model.press(KeyCode::Up);
    }
    let shown = lines(&mut model);
    assert!(
        shown.iter().any(|line| line.contains("\"on\": true")),
        "{shown:#?}"
    );
}

#[test]
fn counting_anew_and_holding() {
    let mut model = model();
    model.press(KeyCode::Char('c'));
    assert!(lines(&mut model)[0].contains("4 topics  0 messages"));
    model.press(KeyCode::Char('p'));
    add(&mut model, "fresh/topic", b"", false);
    model.tick(Instant::now() + Duration::from_secs(2));
    let held = lines(&mut model);
    assert!(held[0].contains("held") && !held.iter().any(|line| line.contains("fresh")));
}
