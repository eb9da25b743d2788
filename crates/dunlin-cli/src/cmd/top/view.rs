//! The picture.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as TextLine, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState, Wrap};

use super::model::{Last, Model, Sort};

/// Draws everything. It has no colours but those of the terminal.
pub(super) fn draw(model: &mut Model, frame: &mut Frame<'_>) {
    let [head, tree, detail, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(5),
        Constraint::Percentage(30),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(summary(model)), head);
    let mut state = TableState::default().with_selected(model.selected());
    frame.render_stateful_widget(table(model), tree, &mut state);
    frame.render_widget(message(model), detail);
    frame.render_widget(Paragraph::new(keys(model)), foot);
}

fn bold(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().add_modifier(Modifier::BOLD))
}

fn summary(model: &Model) -> TextLine<'static> {
    let mut text = format!(
        "  {} topics  {} messages  {:.1}/s",
        model.topics(),
        model.count(),
        model.rate()
    );
    if let Some(clients) = model.clients() {
        text.push_str(&format!("  {clients} clients"));
    }
    if model.untold > 0 {
        text.push_str(&format!("  {} on further topics", model.untold));
    }
    if model.is_held {
        text.push_str("  held");
    }
    if let Some(trouble) = &model.trouble {
        text.push_str(&format!("  {trouble}"));
    }
    TextLine::from(vec![
        bold(format!("dunlin top  {}", model.place)),
        Span::raw(text),
    ])
}

fn table(model: &Model) -> Table<'static> {
    let rows = model.lines.iter().map(|line| {
        let sign = match line.is_open {
            Some(true) => "▾ ",
            Some(false) => "▸ ",
            None => "  ",
        };
        let name = format!("{}{sign}{}", "  ".repeat(line.depth), line.name);
        let size = line
            .size
            .map(|size| format!("{size} B"))
            .unwrap_or_default();
        let right = |text: String| Cell::new(TextLine::from(text).right_aligned());
        Row::new(vec![
            Cell::new(name),
            right(format!("{:.1}", line.rate)),
            right(line.count.to_string()),
            right(size),
            Cell::new(if line.is_retained { "R" } else { "" }),
            Cell::new(line.value.clone()),
        ])
    });
    let mark = |sort: Sort, name: &str| {
        if model.sort == sort {
            format!("{name}▾")
        } else {
            name.to_owned()
        }
    };
    let right = |text: String| Cell::new(TextLine::from(text).right_aligned());
    let header = Row::new(vec![
        Cell::new(mark(Sort::Name, "topic")),
        right(mark(Sort::Rate, "msg/s")),
        right(mark(Sort::Count, "messages")),
        right("size".to_owned()),
        Cell::new(""),
        Cell::new("last value"),
    ])
    .style(Style::new().add_modifier(Modifier::UNDERLINED));
    let widths = [
        Constraint::Percentage(40),
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Length(9),
        Constraint::Length(1),
        Constraint::Fill(1),
    ];
    Table::new(rows, widths)
        .header(header)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
}

fn message(model: &Model) -> Paragraph<'static> {
    let block = Block::bordered();
    let Some((topic, last)) = model.shown() else {
        return Paragraph::new("no message on this level itself").block(block);
    };
    let retained = if last.is_retained { ", retained" } else { "" };
    let kind = last.content_type.as_deref().map(|kind| format!(", {kind}"));
    let title = format!(
        " {topic}: QoS {}, {} B{retained}{} ",
        last.qos,
        last.size,
        kind.unwrap_or_default()
    );
    Paragraph::new(value(last))
        .block(block.title(title))
        .wrap(Wrap { trim: false })
}

/// The payload: JSON in lines, other text as it is, bytes as hex.
fn value(last: &Last) -> String {
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&last.payload)
        && (json.is_object() || json.is_array())
    {
        return format!("{json:#}");
    }
    match std::str::from_utf8(&last.payload) {
        Ok(text) => text
            .chars()
            .map(|letter| match letter {
                '\n' => '\n',
                letter if letter.is_control() => ' ',
                letter => letter,
            })
            .collect(),
        Err(_) => {
            let bytes = last.payload.iter().take(512);
            let digits: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
            digits.join(" ")
        }
    }
}

fn keys(model: &Model) -> TextLine<'static> {
    match &model.search {
        Some(search) if model.is_searching() => {
            TextLine::from(vec![bold("search: "), Span::raw(format!("{search}▏"))])
        }
        Some(search) => TextLine::from(format!("topics with {search:?}   Esc all   q end")),
        None => {
            TextLine::from("↑↓ move  →← open, close  / search  s sort  p hold  c count anew  q end")
        }
    }
}
