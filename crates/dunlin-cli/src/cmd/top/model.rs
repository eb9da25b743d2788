//! What is known of the topics, and what of it is shown.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_client::codec::Publish;
use ratatui::crossterm::event::KeyCode;
use tokio::time::Instant;

/// Topics that are told apart, at most; messages on others are counted together.
const TOPICS_MAX: usize = 100_000;
/// Bytes of a payload that are kept to be shown.
const PREVIEW_BYTES: usize = 4096;
/// How much the last time counts in a rate.
const SMOOTHING: f64 = 0.3;

/// One level of a topic.
#[derive(Debug, Default)]
struct Node {
    below: BTreeMap<String, Self>,
    /// Messages on all topics from here on, and those of the last time.
    count: u64,
    bytes: u64,
    lately: u64,
    rate: f64,
    last: Option<Last>,
}

/// The last message on a topic.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) payload: Vec<u8>,
    pub(super) size: usize,
    pub(super) qos: u8,
    pub(super) is_retained: bool,
    pub(super) content_type: Option<String>,
}

/// In which order topics are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Rate,
    Count,
}

/// A line of the tree.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) depth: usize,
    pub(super) is_open: Option<bool>,
    pub(super) count: u64,
    pub(super) rate: f64,
    pub(super) size: Option<usize>,
    pub(super) is_retained: bool,
    pub(super) value: String,
}

/// Everything.
pub(super) struct Model {
    pub(super) place: String,
    root: Node,
    topics: usize,
    /// Messages on topics past the bound.
    pub(super) untold: u64,
    open: BTreeSet<String>,
    pub(super) sort: Sort,
    pub(super) search: Option<String>,
    is_typing: bool,
    pub(super) is_held: bool,
    pub(super) trouble: Option<String>,
    selected: Option<String>,
    pub(super) lines: Vec<Line>,
    ticked: Option<Instant>,
}

impl Model {
    pub(super) fn new(place: String) -> Self {
        Self {
            place,
            root: Node::default(),
            topics: 0,
            untold: 0,
            open: BTreeSet::new(),
            sort: Sort::Name,
            search: None,
            is_typing: false,
            is_held: false,
            trouble: None,
            selected: None,
            lines: Vec::new(),
            ticked: None,
        }
    }

    /// A message came.
    pub(super) fn add(&mut self, publish: &Publish<'_>) {
        let is_known = self.topics < TOPICS_MAX || self.root.has(publish.topic.levels());
        if !is_known {
            self.untold += 1;
            return;
        }
        let size = publish.payload.len();
        let bytes = u64::try_from(size).unwrap_or(u64::MAX);
        let mut node = &mut self.root;
        node.note(bytes);
        for level in publish.topic.levels() {
            if !node.below.contains_key(level) {
                node.below.insert(level.to_owned(), Node::default());
            }
            let Some(next) = node.below.get_mut(level) else {
                return;
            };
            node = next;
            node.note(bytes);
        }
        self.topics += usize::from(node.last.is_none());
        let preview = publish.payload.get(..PREVIEW_BYTES);
        node.last = Some(Last {
            payload: preview.unwrap_or(publish.payload).to_vec(),
            size,
            qos: publish.qos as u8,
            is_retained: publish.retain,
            content_type: publish.properties.content_type.map(str::to_owned),
        });
    }

    /// Time has passed: rates are told, and the lines made anew.
    pub(super) fn tick(&mut self, now: Instant) {
        let passed = self.ticked.map(|ticked| (now - ticked).as_secs_f64());
        if let Some(passed) = passed.filter(|passed| *passed > 0.0) {
            self.root.settle(passed);
        }
        self.ticked = Some(now);
        if !self.is_held {
            self.refresh();
        }
    }

    /// What went wrong; `None` when all is well again.
    pub(super) fn say(&mut self, trouble: Option<String>) {
        self.trouble = trouble;
    }

    pub(super) const fn topics(&self) -> usize {
        self.topics
    }

    pub(super) const fn count(&self) -> u64 {
        self.root.count
    }

    pub(super) const fn rate(&self) -> f64 {
        self.root.rate
    }

    /// Clients that are connected, if the broker tells it below `$SYS`.
    pub(super) fn clients(&self) -> Option<String> {
        let path = ["$SYS", "broker", "clients", "connected"];
        let last = self.root.find(path.into_iter())?.last.as_ref()?;
        Some(String::from_utf8_lossy(&last.payload).into_owned())
    }

    pub(super) const fn is_searching(&self) -> bool {
        self.is_typing
    }

    /// Opens every level.
    pub(super) fn open_all(&mut self) {
        let mut paths = BTreeSet::new();
        self.root.paths(None, &mut paths);
        self.open = paths;
        self.refresh();
    }

    /// The place of the selected line.
    pub(super) fn selected(&self) -> Option<usize> {
        let selected = self.selected.as_deref()?;
        self.lines.iter().position(|line| line.path == selected)
    }

    /// The last message on the selected topic, with its name.
    pub(super) fn shown(&self) -> Option<(&str, &Last)> {
        let path = self.selected.as_deref()?;
        let node = self.root.find(path.split('/'))?;
        Some((path, node.last.as_ref()?))
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, key: KeyCode) {
        if self.is_typing {
            self.type_in(key);
            return;
        }
        match key {
            KeyCode::Up | KeyCode::Char('k') => self.move_by(-1),
            KeyCode::Down | KeyCode::Char('j') => self.move_by(1),
            KeyCode::PageUp => self.move_by(-20),
            KeyCode::PageDown => self.move_by(20),
            KeyCode::Home => self.move_by(isize::MIN / 2),
            KeyCode::End => self.move_by(isize::MAX / 2),
            KeyCode::Right | KeyCode::Char('l') => self.set_open(Some(true)),
            KeyCode::Left | KeyCode::Char('h') => self.set_open(Some(false)),
            KeyCode::Enter | KeyCode::Char(' ') => self.set_open(None),
            KeyCode::Char('s') => {
                self.sort = match self.sort {
                    Sort::Name => Sort::Rate,
                    Sort::Rate => Sort::Count,
                    Sort::Count => Sort::Name,
                };
            }
            KeyCode::Char('p') => self.is_held = !self.is_held,
            KeyCode::Char('c') => self.root.forget(),
            KeyCode::Char('/') => {
                self.is_typing = true;
                self.search = Some(String::new());
            }
            KeyCode::Esc => self.search = None,
            _ => {}
        }
        self.refresh();
    }

    fn type_in(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.search = None;
            }
            KeyCode::Backspace => {
                if let Some(search) = &mut self.search {
                    search.pop();
                }
            }
            KeyCode::Char(letter) => self.search.get_or_insert_default().push(letter),
            _ => {}
        }
        self.refresh();
    }

    fn move_by(&mut self, by: isize) {
        let last = self.lines.len().saturating_sub(1);
        let at = self
            .selected()
            .unwrap_or(0)
            .saturating_add_signed(by)
            .min(last);
        self.selected = self.lines.get(at).map(|line| line.path.clone());
    }

    fn set_open(&mut self, is_open: Option<bool>) {
        let Some(path) = self.selected.clone() else {
            return;
        };
        let opens = is_open.unwrap_or_else(|| !self.open.contains(&path));
        if opens {
            self.open.insert(path);
        } else if !self.open.remove(&path)
            && let Some((above, _)) = path.rsplit_once('/')
        {
            // What is closed already leads to what it is in.
            self.selected = Some(above.to_owned());
        }
    }

    fn refresh(&mut self) {
        let mut lines = Vec::new();
        let search = self.search.as_deref().filter(|search| !search.is_empty());
        let search = search.map(str::to_lowercase);
        let shape = Shape {
            open: &self.open,
            sort: self.sort,
            search: search.as_deref(),
        };
        self.root.lines(None, 0, &shape, &mut lines);
        self.lines = lines;
        if self.selected().is_none() {
            self.selected = self.lines.first().map(|line| line.path.clone());
        }
    }
}

/// What decides which lines there are.
struct Shape<'a> {
    open: &'a BTreeSet<String>,
    sort: Sort,
    search: Option<&'a str>,
}

impl Node {
    fn note(&mut self, bytes: u64) {
        self.count += 1;
        self.lately += 1;
        self.bytes += bytes;
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    fn settle(&mut self, seconds: f64) {
        let rate = self.lately as f64 / seconds;
        self.lately = 0;
        self.rate += (rate - self.rate) * SMOOTHING;
        for node in self.below.values_mut() {
            node.settle(seconds);
        }
    }

    fn forget(&mut self) {
        (self.count, self.bytes, self.lately, self.rate) = (0, 0, 0, 0.0);
        self.below.values_mut().for_each(Self::forget);
    }

    fn find<'a>(&self, mut levels: impl Iterator<Item = &'a str>) -> Option<&Self> {
        levels.try_fold(self, |node, level| node.below.get(level))
    }

    fn has<'a>(&self, levels: impl Iterator<Item = &'a str>) -> bool {
        self.find(levels).is_some()
    }

    fn paths(&self, above: Option<&str>, paths: &mut BTreeSet<String>) {
        for (name, node) in &self.below {
            if !node.below.is_empty() {
                let path = joined(above, name);
                node.paths(Some(&path), paths);
                paths.insert(path);
            }
        }
    }

    fn lines(&self, above: Option<&str>, depth: usize, shape: &Shape<'_>, lines: &mut Vec<Line>) {
        let mut below: Vec<_> = self.below.iter().collect();
        match shape.sort {
            Sort::Name => {}
            Sort::Rate => below.sort_by(|(_, a), (_, b)| b.rate.total_cmp(&a.rate)),
            Sort::Count => below.sort_by_key(|(_, node)| std::cmp::Reverse(node.count)),
        }
        for (name, node) in below {
            let path = joined(above, name);
            if shape.search.is_some_and(|text| !node.matches(&path, text)) {
                continue;
            }
            // What was searched for is shown wherever it is.
            let is_open = shape.search.is_some() || shape.open.contains(&path);
            let last = node.last.as_ref();
            lines.push(Line {
                name: name.clone(),
                depth,
                is_open: (!node.below.is_empty()).then_some(is_open),
                count: node.count,
                rate: node.rate,
                size: last.map(|last| last.size),
                is_retained: last.is_some_and(|last| last.is_retained),
                value: last.map(|last| one_line(&last.payload)).unwrap_or_default(),
                path: path.clone(),
            });
            if is_open {
                node.lines(Some(&path), depth + 1, shape, lines);
            }
        }
    }

    /// Whether the text is in this topic or one below.
    fn matches(&self, path: &str, text: &str) -> bool {
        path.to_lowercase().contains(text)
            || self
                .below
                .iter()
                .any(|(name, node)| node.matches(&joined(Some(path), name), text))
    }
}

fn joined(above: Option<&str>, name: &str) -> String {
    match above {
        Some(above) => format!("{above}/{name}"),
        None => name.to_owned(),
    }
}

/// The beginning of a payload, without what would move the cursor.
fn one_line(payload: &[u8]) -> String {
    let part = payload.get(..200).unwrap_or(payload);
    let text = String::from_utf8_lossy(part);
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}
