//! The subscription tree: filters with wildcards, by their levels.
//!
//! The nodes lie in one store and name each other by number. A child that stands for a text is found
//! in one table for the whole tree, by the first of its levels; the child for `+` and the subscribers
//! behind `#` stand in the node itself. Levels that no other filter branches off from share a node, so
//! that a filter takes one node or two however deep it is. Nothing here recurses, so that neither a
//! filter nor a name can be too deep.

use std::mem;

use ahash::RandomState;
use dunlin_codec::{TopicFilter, TopicName};

use super::Subscriber;
use super::few::Few;
use super::label::Label;
use super::list::Subscribers;
use super::table::Table;

/// The number of the node that stands for no level; as a child's number: there is none.
const ROOT: u32 = 0;

/// Nodes that are allocated together, so that the store does not move all when it grows.
const CHUNK: usize = 128;

/// All filters with wildcards.
pub(super) struct Tree<S> {
    nodes: Nodes<S>,
    /// Numbers of the nodes whose first level is a text, by parent and that text.
    children: Table<u32>,
}

/// What a node takes if a subscriber is a pointer; for a test.
#[cfg(test)]
pub(super) const NODE_BYTES: usize = size_of::<Node<std::rc::Rc<u8>>>();

struct Node<S> {
    /// The levels from the parent to here, one at least; `+` may be among them. Of no use in the
    /// root.
    label: Label,
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

impl<S: Subscriber> Tree<S> {
    pub(super) fn new() -> Self {
        Self {
            nodes: Nodes::new(),
            children: Table::new(),
        }
    }

    /// Nodes in use, the root among them.
    #[cfg(test)]
    pub(super) fn node_count(&self) -> usize {
        self.nodes.count
    }

    /// Nodes that begin with a text.
    #[cfg(test)]
    pub(super) const fn child_count(&self) -> usize {
        self.children.len()
    }

    /// Calls `found` for each filter that matches.
    pub(super) fn visit(
        &self,
        topic: TopicName<'_>,
        hasher: &RandomState,
        mut found: impl FnMut(&Subscribers<S>),
    ) {
        if self.nodes.count == 1 && self.nodes.get(ROOT).below.is_empty() {
            return;
        }
        // Wildcards of the first level do not match a name that begins with $ [MQTT-4.7.2-1].
        let is_dollar = topic.is_dollar();
        let mut levels = Levels::new(topic, hasher);
        // Each node stands at one depth, so it is reached once at most.
        let mut reached: Few<(u32, usize), 16> = Few::new((ROOT, 0));
        reached.push((ROOT, 0));
        while let Some((id, depth)) = reached.pop() {
            let node = self.nodes.get(id);
            let has_wildcards = id != ROOT || !is_dollar;
            if has_wildcards {
                // `#` matches the level above it as well (section 4.7.1.2).
                found(&node.below);
            }
            let Some(level) = levels.at(depth) else {
                found(&node.here);
                continue;
            };
            if has_wildcards && node.plus != ROOT {
                let rest = self.nodes.get(node.plus).label.rest();
                if let Some(depth) = levels.follow(rest, depth + 1) {
                    reached.push((node.plus, depth));
                }
            }
            if node.texts > 0
                && let Some(child) = self.child(id, level.text, level.hash)
            {
                let rest = self.nodes.get(child).label.rest();
                if let Some(depth) = levels.follow(rest, depth + 1) {
                    reached.push((child, depth));
                }
            }
        }
    }

    /// The child whose first level is this text.
    fn child(&self, parent: u32, first: &[u8], first_hash: u64) -> Option<u32> {
        self.children
            .find(hash_child(parent, first_hash), |&id| {
                let node = self.nodes.get(id);
                node.parent == parent && node.label.first() == first
            })
            .copied()
    }

    /// The child that a filter goes on with.
    fn child_for(&self, parent: u32, path: &[u8], hasher: &RandomState) -> Option<u32> {
        match first_level(path) {
            b"+" => Some(self.nodes.get(parent).plus).filter(|&id| id != ROOT),
            first => self.child(parent, first, hash_level(hasher, first)),
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
                let id = self.nodes.insert(Node::new(node, Label::new(text)));
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
        if node.label.first() == b"+" {
            self.nodes.get_mut(parent).plus = id;
            return;
        }
        let nodes = &self.nodes;
        let hash_of = |&id: &u32| hash_node(nodes.get(id), hasher);
        self.children.insert(hash_of(&id), id, hash_of);
        self.nodes.get_mut(parent).texts += 1;
    }

    /// Removes a node from its parent.
    fn unlink(&mut self, id: u32, hasher: &RandomState) {
        let parent = self.nodes.get(id).parent;
        if self.nodes.get(parent).plus == id {
            self.nodes.get_mut(parent).plus = ROOT;
            return;
        }
        let nodes = &self.nodes;
        let hash_of = |&id: &u32| hash_node(nodes.get(id), hasher);
        self.children
            .remove(hash_of(&id), |&other| other == id, hash_of);
        self.nodes.get_mut(parent).texts -= 1;
    }

    /// Puts a new node above a node, for the first `length` bytes of its label.
    fn split(&mut self, id: u32, length: usize, hasher: &RandomState) -> u32 {
        self.unlink(id, hasher);
        let node = self.nodes.get(id);
        let label = node.label.as_bytes();
        let upper = Label::new(label.get(..length).unwrap_or_default());
        let lower = Label::new(label.get(length + 1..).unwrap_or_default());
        let above = self.nodes.insert(Node::new(node.parent, upper));
        let node = self.nodes.get_mut(id);
        node.label = lower;
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
    }
}

impl<S: Subscriber> Node<S> {
    fn new(parent: u32, label: Label) -> Self {
        Self {
            label,
            parent,
            plus: ROOT,
            texts: 0,
            here: Subscribers::None,
            below: Subscribers::None,
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
    path.split(|&byte| byte == b'/').next().unwrap_or_default()
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

/// The levels of a topic, found and hashed when they are first asked for: most topics are deeper than
/// any filter that is reached.
struct Levels<'a> {
    known: Few<Level<'a>, 12>,
    rest: Option<&'a [u8]>,
    hasher: &'a RandomState,
}

#[derive(Clone, Copy)]
struct Level<'a> {
    text: &'a [u8],
    hash: u64,
}

impl<'a> Levels<'a> {
    fn new(topic: TopicName<'a>, hasher: &'a RandomState) -> Self {
        Self {
            known: Few::new(Level { text: &[], hash: 0 }),
            rest: Some(topic.as_str().as_bytes()),
            hasher,
        }
    }

    fn at(&mut self, depth: usize) -> Option<Level<'a>> {
        while self.known.len() <= depth {
            let rest = self.rest?;
            let text = first_level(rest);
            self.rest = rest.get(text.len() + 1..);
            let hash = hash_level(self.hasher, text);
            self.known.push(Level { text, hash });
        }
        self.known.get(depth)
    }

    /// The depth behind these levels of a filter, if those of the topic from `depth` on match them.
    fn follow(&mut self, path: Option<&[u8]>, mut depth: usize) -> Option<usize> {
        for wanted in path
            .into_iter()
            .flat_map(|path| path.split(|&byte| byte == b'/'))
        {
            let level = self.at(depth)?;
            if wanted != b"+" && wanted != level.text {
                return None;
            }
            depth += 1;
        }
        Some(depth)
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

fn hash_node<S>(node: &Node<S>, hasher: &RandomState) -> u64 {
    hash_child(node.parent, hash_level(hasher, node.label.first()))
}

/// The nodes, by number.
struct Nodes<S> {
    chunks: Vec<Vec<Node<S>>>,
    /// Numbers that are free again.
    free: Vec<u32>,
    count: usize,
}

impl<S: Subscriber> Nodes<S> {
    /// The root alone.
    fn new() -> Self {
        Self {
            chunks: vec![vec![Node::new(ROOT, Label::default())]],
            free: Vec::new(),
            count: 1,
        }
    }

    fn place(id: u32) -> (usize, usize) {
        let id = usize::try_from(id).unwrap_or(usize::MAX);
        (id / CHUNK, id % CHUNK)
    }

    fn get(&self, id: u32) -> &Node<S> {
        let (chunk, place) = Self::place(id);
        self.chunks
            .get(chunk)
            .and_then(|chunk| chunk.get(place))
            .expect("a number is in use only while its node is")
    }

    fn get_mut(&mut self, id: u32) -> &mut Node<S> {
        let (chunk, place) = Self::place(id);
        self.chunks
            .get_mut(chunk)
            .and_then(|chunk| chunk.get_mut(place))
            .expect("a number is in use only while its node is")
    }

    fn insert(&mut self, node: Node<S>) -> u32 {
        self.count += 1;
        if let Some(id) = self.free.pop() {
            *self.get_mut(id) = node;
            return id;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("one was pushed if need be");
        chunk.push(node);
        u32::try_from(before + chunk.len() - 1).expect("2^32 nodes do not fit into memory")
    }

    fn remove(&mut self, id: u32) {
        *self.get_mut(id) = Node::new(ROOT, Label::default());
        self.free.push(id);
        self.count -= 1;
        if self.count == 1 {
            let root = mem::replace(self.get_mut(ROOT), Node::new(ROOT, Label::default()));
            self.chunks = vec![vec![root]];
            self.free = Vec::new();
        }
    }
}
