//! The subscription tree: filters with wildcards, by their levels.
//!
//! The nodes lie in one store and name each other by number. A child for the text of a level is found
//! in one table for the whole tree; the child for `+` and the subscribers behind `#` stand in the
//! node itself. Nothing here recurses, so that neither a filter nor a name can be too deep.

use std::mem;

use ahash::RandomState;
use dunlin_codec::{TopicFilter, TopicName};

use super::Subscriber;
use super::list::Subscribers;
use super::table::Table;

/// The number of the node that stands for no level yet; as a child's number: there is none.
const ROOT: u32 = 0;

/// Nodes that are allocated together, so that the store does not move all when it grows.
const CHUNK: usize = 128;

/// All filters with wildcards.
pub(super) struct Tree<S> {
    nodes: Nodes<S>,
    /// Numbers of the nodes that stand for a text, by parent and text.
    children: Table<u32>,
}

/// What a node takes if a subscriber is a pointer; for a test.
#[cfg(test)]
pub(super) const NODE_BYTES: usize = size_of::<Node<std::rc::Rc<u8>>>();

struct Node<S> {
    /// The text of the level; of no use in the root and in a child for `+`.
    level: Level,
    parent: u32,
    /// The child for `+`, or [`ROOT`].
    plus: u32,
    /// How many children stand for a text.
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

    /// Nodes that stand for a text.
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
        let (mut first, mut second) = (Few::default(), Few::default());
        let (mut reached, mut next) = (&mut first, &mut second);
        reached.push(ROOT);
        for level in topic.levels() {
            let level_hash = hash_level(hasher, level.as_bytes());
            for id in reached.iter() {
                let node = self.nodes.get(id);
                if node.texts > 0
                    && let Some(child) = self.child(id, level, level_hash)
                {
                    next.push(child);
                }
                if id == ROOT && is_dollar {
                    continue;
                }
                if node.plus != ROOT {
                    next.push(node.plus);
                }
                found(&node.below);
            }
            reached.clear();
            mem::swap(&mut reached, &mut next);
            if reached.is_empty() {
                return;
            }
        }
        for id in reached.iter() {
            let node = self.nodes.get(id);
            found(&node.here);
            // `#` matches the level above it as well (section 4.7.1.2).
            found(&node.below);
        }
    }

    fn child(&self, parent: u32, level: &str, level_hash: u64) -> Option<u32> {
        self.children
            .find(hash_child(parent, level_hash), |&id| {
                let node = self.nodes.get(id);
                node.parent == parent && node.level.as_bytes() == level.as_bytes()
            })
            .copied()
    }

    /// Where the subscribers to a filter stand, if it is here.
    pub(super) fn find(&self, filter: TopicFilter<'_>, hasher: &RandomState) -> Option<Place> {
        let mut node = ROOT;
        for level in filter.levels() {
            node = match level {
                "#" => {
                    return Some(Place {
                        node,
                        is_below: true,
                    });
                }
                "+" => Some(self.nodes.get(node).plus).filter(|&id| id != ROOT)?,
                _ => self.child(node, level, hash_level(hasher, level.as_bytes()))?,
            };
        }
        Some(Place {
            node,
            is_below: false,
        })
    }

    /// Where the subscribers to a filter are to stand.
    pub(super) fn make(&mut self, filter: TopicFilter<'_>, hasher: &RandomState) -> Place {
        let mut node = ROOT;
        for level in filter.levels() {
            node = match level {
                "#" => {
                    return Place {
                        node,
                        is_below: true,
                    };
                }
                "+" => self.make_plus(node),
                _ => self.make_child(node, level, hasher),
            };
        }
        Place {
            node,
            is_below: false,
        }
    }

    fn make_plus(&mut self, parent: u32) -> u32 {
        let there = self.nodes.get(parent).plus;
        if there != ROOT {
            return there;
        }
        let id = self.nodes.insert(Node::new(parent, Level::default()));
        self.nodes.get_mut(parent).plus = id;
        id
    }

    fn make_child(&mut self, parent: u32, level: &str, hasher: &RandomState) -> u32 {
        let level_hash = hash_level(hasher, level.as_bytes());
        if let Some(there) = self.child(parent, level, level_hash) {
            return there;
        }
        let id = self.nodes.insert(Node::new(parent, Level::new(level)));
        let nodes = &self.nodes;
        self.children
            .insert(hash_child(parent, level_hash), id, |&id| {
                hash_node(nodes.get(id), hasher)
            });
        self.nodes.get_mut(parent).texts += 1;
        id
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
            let node = self.nodes.get(id);
            let parent = node.parent;
            if self.nodes.get(parent).plus == id {
                self.nodes.get_mut(parent).plus = ROOT;
            } else {
                let nodes = &self.nodes;
                self.children.remove(
                    hash_node(node, hasher),
                    |&other| other == id,
                    |&id| hash_node(nodes.get(id), hasher),
                );
                self.nodes.get_mut(parent).texts -= 1;
            }
            self.nodes.remove(id);
            id = parent;
        }
    }
}

impl<S: Subscriber> Node<S> {
    fn new(parent: u32, level: Level) -> Self {
        Self {
            level,
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
    hash_child(node.parent, hash_level(hasher, node.level.as_bytes()))
}

/// The text of a level; a short one lies in the node.
enum Level {
    Short { length: u8, bytes: [u8; 14] },
    Long(Box<LongLevel>),
}

struct LongLevel(Box<[u8]>);

impl Default for Level {
    fn default() -> Self {
        Self::Short {
            length: 0,
            bytes: [0; 14],
        }
    }
}

impl Level {
    fn new(text: &str) -> Self {
        let mut bytes = [0; 14];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short { length, bytes }
            }
            _ => Self::Long(Box::new(LongLevel(text.as_bytes().into()))),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(long) => &long.0,
        }
    }
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
            chunks: vec![vec![Node::new(ROOT, Level::default())]],
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
        *self.get_mut(id) = Node::new(ROOT, Level::default());
        self.free.push(id);
        self.count -= 1;
        if self.count == 1 {
            let root = mem::replace(self.get_mut(ROOT), Node::new(ROOT, Level::default()));
            self.chunks = vec![vec![root]];
            self.free = Vec::new();
        }
    }
}

/// A list of node numbers that takes no memory of its own while it is short.
struct Few {
    short: [u32; 16],
    length: usize,
    rest: Vec<u32>,
}

impl Default for Few {
    fn default() -> Self {
        Self {
            short: [ROOT; 16],
            length: 0,
            rest: Vec::new(),
        }
    }
}

impl Few {
    fn push(&mut self, id: u32) {
        match self.short.get_mut(self.length) {
            Some(place) => {
                *place = id;
                self.length += 1;
            }
            None => self.rest.push(id),
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.short
            .iter()
            .take(self.length)
            .chain(&self.rest)
            .copied()
    }

    fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn clear(&mut self) {
        self.length = 0;
        self.rest.clear();
    }
}
