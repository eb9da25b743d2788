//! The subscription tree: filters with wildcards, by their levels.
//!
//! The nodes lie in slots and name each other by number. A child that stands for a text is found
//! in one table for the whole tree, by the first of its levels; the child for `+` and the subscribers
//! behind `#` stand in the node itself. Levels that no other filter branches off from share a node, so
//! that a filter takes one node or two however deep it is. Nothing here recurses, so that neither a
//! filter nor a name can be too deep.

use ahash::RandomState;
use dunlin_codec::{TopicFilter, TopicName};

use super::Subscriber;
use super::list::Subscribers;
use super::slots::Slots;
use super::table::Table;
use super::text::Text;

/// The number of the node that stands for no level; as a child's number: there is none.
const ROOT: u32 = 0;

/// Nodes that there is room for from one look-up to the next. Few topics reach so many at once.
const STEPS_KEPT: usize = 256;

/// All filters with wildcards.
pub(super) struct Tree<S> {
    nodes: Slots<Node<S>>,
    /// Numbers of the nodes whose first level is a text, by parent and that text.
    children: Table<u32>,
}

/// What a node takes if a subscriber is a pointer; for a test.
#[cfg(test)]
pub(super) const NODE_BYTES: usize = size_of::<Node<std::rc::Rc<u8>>>();

struct Node<S> {
    /// The levels from the parent to here, one at least, with the slashes between them; `+` may be
    /// among them. Of no use in the root.
    label: Text<30>,
    /// Bytes of the first of these levels.
    first_len: u16,
    /// Whether a `+` is among the levels behind the first.
    has_plus: bool,
    parent: u32,
    /// The child whose first level is `+`, or [`ROOT`].
    plus: u32,
    /// How many children begin with a text.
    texts: u32,
    /// Who subscribes to the filter that ends here.
    here: Subscribers<S>,
    /// Who subscribes to the filter that ends with `#` below here.
    below: Subscribers<S>,
}

/// Where the subscribers to a filter stand.
#[derive(Clone, Copy)]
pub(super) struct Place {
    node: u32,
    is_below: bool,
}

/// Room for what [`Tree::visit`] is about.
#[derive(Default)]
pub(super) struct Steps {
    reached: Vec<Reached>,
    next: Vec<Next>,
}

/// A node that a topic has reached. Each stands at one depth, so it is reached once at most.
#[derive(Clone, Copy)]
struct Reached {
    /// Which of the topics.
    place: usize,
    node: u32,
    /// Where the next level of the topic begins.
    at: u32,
}

/// A node where a topic may go on.
struct Next {
    from: Reached,
    /// Where the level behind that begins which goes with the node's first.
    behind: u32,
    node: u32,
    /// The hash of the node's first level by which it was found, unless that is `+`.
    hash: Option<u64>,
}

impl<S: Subscriber> Tree<S> {
    pub(super) fn new() -> Self {
        let mut nodes = Slots::new();
        let root = nodes.insert(Node::default());
        debug_assert_eq!(root, ROOT);
        Self {
            nodes,
            children: Table::new(),
        }
    }

    /// Nodes in use, the root among them.
    #[cfg(test)]
    pub(super) const fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Nodes that begin with a text.
    #[cfg(test)]
    pub(super) const fn child_count(&self) -> usize {
        self.children.len()
    }

    /// Calls `found` with the place of a topic for each filter that matches it. All topics go down a node
    /// at a time, and where the next nodes are is found for all of them before any is looked at, so that
    /// memory is waited for once.
    pub(super) fn visit(
        &self,
        topics: &[TopicName<'_>],
        hasher: &RandomState,
        steps: &mut Steps,
        mut found: impl FnMut(usize, &Subscribers<S>),
    ) {
        if self.nodes.len() == 1 && self.nodes.get(ROOT).below.is_empty() {
            return;
        }
        steps.reached.clear();
        let at_root = |place| Reached {
            place,
            node: ROOT,
            at: 0,
        };
        steps.reached.extend((0..topics.len()).map(at_root));
        while !steps.reached.is_empty() {
            let mut hashes = Hashes::new(hasher);
            for reached in steps.reached.drain(..) {
                if let Some(topic) = topics.get(reached.place) {
                    let found = |subscribers: &Subscribers<S>| found(reached.place, subscribers);
                    let next = &mut steps.next;
                    self.step(*topic, &reached, &mut hashes, next, found);
                }
            }
            for next in steps.next.drain(..) {
                let Some(text) = topics.get(next.from.place) else {
                    continue;
                };
                steps
                    .reached
                    .extend(self.follow(text.as_str().as_bytes(), &next));
            }
        }
        steps.reached.shrink_to(STEPS_KEPT);
        steps.next.shrink_to(STEPS_KEPT);
    }

    /// Looks at a node that a topic has reached, and for the nodes where it may go on.
    fn step(
        &self,
        topic: TopicName<'_>,
        reached: &Reached,
        hashes: &mut Hashes<'_>,
        next: &mut Vec<Next>,
        mut found: impl FnMut(&Subscribers<S>),
    ) {
        let node = self.nodes.get(reached.node);
        // Wildcards of the first level do not match a name that begins with $ [MQTT-4.7.2-1].
        let has_wildcards = reached.node != ROOT || !topic.is_dollar();
        if has_wildcards && !node.below.is_empty() {
            // `#` matches the level above it as well (section 4.7.1.2).
            found(&node.below);
        }
        let Some(level) = level_at(topic.as_str().as_bytes(), reached.at) else {
            if !node.here.is_empty() {
                found(&node.here);
            }
            return;
        };
        let mut push = |node: u32, hash: Option<u64>| {
            next.push(Next {
                from: *reached,
                behind: behind(reached.at, level),
                node,
                hash,
            });
        };
        if has_wildcards && node.plus != ROOT {
            push(node.plus, None);
        }
        if node.texts > 0 {
            let hash = hashes.of(reached, level);
            if let Some(&child) = self.children.likely(hash_child(reached.node, hash)) {
                push(child, Some(hash));
            }
        }
    }

    /// Where a topic is behind the levels of this node, if it matches them.
    fn follow(&self, topic: &[u8], next: &Next) -> Option<Reached> {
        let Reached { place, node, at } = next.from;
        let mut id = next.node;
        let mut child = self.nodes.get(id);
        if let Some(hash) = next.hash {
            let level = level_at(topic, at)?;
            if !child.begins(node, level) {
                (id, child) = self.child(node, level, hash)?;
            }
        }
        Some(Reached {
            place,
            node: id,
            at: child.follow(topic, next.behind)?,
        })
    }

    /// The child whose first level is this text.
    fn child(&self, parent: u32, first: &[u8], first_hash: u64) -> Option<(u32, &Node<S>)> {
        let id = *self.children.find(hash_child(parent, first_hash), |&id| {
            self.nodes.get(id).begins(parent, first)
        })?;
        Some((id, self.nodes.get(id)))
    }

    /// The child that a filter goes on with.
    fn child_for(&self, parent: u32, path: &[u8], hasher: &RandomState) -> Option<u32> {
        match first_level(path) {
            b"+" => Some(self.nodes.get(parent).plus).filter(|&id| id != ROOT),
            first => {
                let hash = hash_level(hasher, first);
                self.child(parent, first, hash).map(|(id, _)| id)
            }
        }
    }

    /// Where the subscribers to a filter stand, if it is here.
    pub(super) fn find(&self, filter: TopicFilter<'_>, hasher: &RandomState) -> Option<Place> {
        let (mut path, is_below) = path_of(filter);
        let mut node = ROOT;
        while let Some(text) = path {
            node = self.child_for(node, text, hasher)?;
            let label = self.nodes.get(node).label.as_bytes();
            path = match text.strip_prefix(label)? {
                [] => None,
                [b'/', rest @ ..] => Some(rest),
                _ => return None,
            };
        }
        Some(Place { node, is_below })
    }

    /// Where the subscribers to a filter are to stand.
    pub(super) fn make(&mut self, filter: TopicFilter<'_>, hasher: &RandomState) -> Place {
        let (mut path, is_below) = path_of(filter);
        let mut node = ROOT;
        while let Some(text) = path {
            let Some(child) = self.child_for(node, text, hasher) else {
                let id = self.nodes.insert(Node::new(node, text));
                self.link(id, hasher);
                return Place { node: id, is_below };
            };
            let label = self.nodes.get(child).label.as_bytes();
            let common = common_levels(label, text);
            node = if common < label.len() {
                self.split(child, common, hasher)
            } else {
                child
            };
            path = text.get(common + 1..);
        }
        Place { node, is_below }
    }

    /// Enters a node with its parent.
    fn link(&mut self, id: u32, hasher: &RandomState) {
        let node = self.nodes.get(id);
        let parent = node.parent;
        if node.first() == b"+" {
            self.nodes.get_mut(parent).plus = id;
            return;
        }
        self.children.insert(hash_node(node, hasher), id);
        self.nodes.get_mut(parent).texts += 1;
    }

    /// Removes a node from its parent.
    fn unlink(&mut self, id: u32, hasher: &RandomState) {
        let node = self.nodes.get(id);
        let parent = node.parent;
        if self.nodes.get(parent).plus == id {
            self.nodes.get_mut(parent).plus = ROOT;
            return;
        }
        let hash = hash_node(node, hasher);
        self.children.remove(hash, |&other| other == id);
        self.nodes.get_mut(parent).texts -= 1;
    }

    /// Puts a new node above a node, for the first `length` bytes of its label.
    fn split(&mut self, id: u32, length: usize, hasher: &RandomState) -> u32 {
        self.unlink(id, hasher);
        let node = self.nodes.get(id);
        let label = node.label.as_bytes();
        let upper = Node::new(node.parent, label.get(..length).unwrap_or_default());
        let lower: Box<[u8]> = label.get(length + 1..).unwrap_or_default().into();
        let above = self.nodes.insert(upper);
        let node = self.nodes.get_mut(id);
        node.set_label(&lower);
        node.parent = above;
        self.link(above, hasher);
        self.link(id, hasher);
        above
    }

    pub(super) fn at_mut(&mut self, place: Place) -> &mut Subscribers<S> {
        let node = self.nodes.get_mut(place.node);
        if place.is_below {
            &mut node.below
        } else {
            &mut node.here
        }
    }

    /// Removes the nodes that nothing needs any more, from this place up.
    pub(super) fn prune(&mut self, place: Place, hasher: &RandomState) {
        let mut id = place.node;
        while id != ROOT && self.nodes.get(id).is_idle() {
            let parent = self.nodes.get(id).parent;
            self.unlink(id, hasher);
            self.nodes.remove(id);
            id = parent;
        }
        if id != place.node && self.nodes.len() == 1 {
            // With the last of them all memory goes.
            let root = self.nodes.remove(ROOT);
            self.nodes.insert(root);
        }
    }
}

/// The root of an empty tree.
impl<S> Default for Node<S> {
    fn default() -> Self {
        Self {
            label: Text::new(&[]),
            first_len: 0,
            has_plus: false,
            parent: ROOT,
            plus: ROOT,
            texts: 0,
            here: Subscribers::None,
            below: Subscribers::None,
        }
    }
}

impl<S: Subscriber> Node<S> {
    fn new(parent: u32, label: &[u8]) -> Self {
        let mut node = Self {
            parent,
            ..Self::default()
        };
        node.set_label(label);
        node
    }

    fn set_label(&mut self, label: &[u8]) {
        let first_len = first_level(label).len();
        self.label = Text::new(label);
        self.first_len = u16::try_from(first_len).expect("a level is at most as long as a filter");
        self.has_plus = label.get(first_len..).unwrap_or_default().contains(&b'+');
    }

    /// The first of its levels.
    fn first(&self) -> &[u8] {
        let label = self.label.as_bytes();
        label.get(..self.first_len.into()).unwrap_or_default()
    }

    /// Whether it is the child of this node whose first level is this text.
    fn begins(&self, parent: u32, first: &[u8]) -> bool {
        self.parent == parent && self.first() == first
    }

    /// Where the level behind its own begins, if those of the topic from `at` on match all of its own
    /// but the first.
    fn follow(&self, topic: &[u8], at: u32) -> Option<u32> {
        let Some(rest) = self.label.as_bytes().get(usize::from(self.first_len) + 1..) else {
            // There is one only.
            return Some(at);
        };
        if self.has_plus {
            return follow_with_plus(rest, topic, at);
        }
        match topic_from(topic, at)?.strip_prefix(rest)? {
            [] | [b'/', ..] => Some(behind(at, rest)),
            _ => None,
        }
    }

    fn is_idle(&self) -> bool {
        self.texts == 0 && self.plus == ROOT && self.here.is_empty() && self.below.is_empty()
    }
}

/// The levels of a filter without a last `#`, and whether there was one. Of `#` alone, there are none.
fn path_of(filter: TopicFilter<'_>) -> (Option<&[u8]>, bool) {
    let text = filter.as_str().as_bytes();
    match text {
        b"#" => (None, true),
        [path @ .., b'/', b'#'] => (Some(path), true),
        _ => (Some(text), false),
    }
}

fn first_level(path: &[u8]) -> &[u8] {
    match path.iter().position(|&byte| byte == b'/') {
        Some(end) => path.get(..end).unwrap_or_default(),
        None => path,
    }
}

/// How many bytes the levels take that both begin with. The first level is known to be the same.
fn common_levels(one: &[u8], other: &[u8]) -> usize {
    let pairs = one
        .split(|&byte| byte == b'/')
        .zip(other.split(|&byte| byte == b'/'));
    let common: usize = pairs
        .take_while(|(one, other)| one == other)
        .map(|(level, _)| level.len() + 1)
        .sum();
    common.saturating_sub(1)
}

/// What there is of a topic from this byte on; `None` behind its last level.
fn topic_from(topic: &[u8], at: u32) -> Option<&[u8]> {
    topic.get(usize::try_from(at).ok()?..)
}

/// The level of a topic that begins at this byte; `None` behind the last.
fn level_at(topic: &[u8], at: u32) -> Option<&[u8]> {
    topic_from(topic, at).map(first_level)
}

/// Where the level behind these begins.
fn behind(at: u32, levels: &[u8]) -> u32 {
    let len = u32::try_from(levels.len()).expect("a topic has 65 535 bytes at most");
    at + 1 + len
}

/// Where the level behind these levels of a filter begins, if those of the topic from `at` on match
/// them.
fn follow_with_plus(path: &[u8], topic: &[u8], mut at: u32) -> Option<u32> {
    for wanted in path.split(|&byte| byte == b'/') {
        let level = level_at(topic, at)?;
        if wanted != b"+" && wanted != level {
            return None;
        }
        at = behind(at, level);
    }
    Some(at)
}

/// The hash of a level, for all nodes that one topic has reached before it.
struct Hashes<'a> {
    /// Of which topic, by its place; where the level begins; and the hash.
    last: Option<(usize, u32, u64)>,
    hasher: &'a RandomState,
}

impl<'a> Hashes<'a> {
    const fn new(hasher: &'a RandomState) -> Self {
        Self { last: None, hasher }
    }

    fn of(&mut self, reached: &Reached, level: &[u8]) -> u64 {
        match self.last {
            Some((place, at, hash)) if (place, at) == (reached.place, reached.at) => hash,
            _ => {
                let hash = hash_level(self.hasher, level);
                self.last = Some((reached.place, reached.at, hash));
                hash
            }
        }
    }
}

fn hash_level(hasher: &RandomState, level: &[u8]) -> u64 {
    hasher.hash_one(level)
}

/// The seeds are in the level's hash; the parent only has to be mixed in.
const fn hash_child(parent: u32, level_hash: u64) -> u64 {
    let mixed = (level_hash ^ (parent as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

fn hash_node<S: Subscriber>(node: &Node<S>, hasher: &RandomState) -> u64 {
    hash_child(node.parent, hash_level(hasher, node.first()))
}
