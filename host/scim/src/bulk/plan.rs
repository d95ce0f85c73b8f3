//! In which order operations are done.
//!
//! The client's order, but whatever a task refers to is done before it: a reference forward brings
//! its POST earlier, and leaves everything else in place (S-18.9). POSTs that refer to each other
//! in a circle come together, as one step (S-18.10).
//!
//! The circles are the strongly connected components of Tarjan's algorithm, which finds them in
//! just this order, in time linear in operations and references, and here without recursion:
//! a chain of operations may be as long as the request.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::BulkRequest;

/// What is done at a time. Operations are named by their places in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// One operation.
    One(usize),
    /// POSTs that refer to each other, in the order in which they are made: each without what is
    /// not there yet, which is added afterwards.
    Circle(Vec<usize>),
    /// POSTs of which each needs another one to be there first: none can be made.
    Knot(Vec<usize>),
}

impl BulkRequest {
    /// Every operation once, each behind those that it refers to.
    pub fn plan(&self) -> Vec<Step> {
        let edges: Vec<Vec<usize>> = (0..self.operations.len()).map(|index| self.needed_by(index, false)).collect();
        circles(&edges).into_iter().map(|circle| self.step(circle, &edges)).collect()
    }

    /// The POSTs that an operation refers to, in the client's order.
    fn needed_by(&self, index: usize, firmly: bool) -> Vec<usize> {
        let references = self.operations[index].references.iter().filter(|reference| reference.firm || !firmly);
        let mut needed: Vec<usize> =
            references.filter_map(|reference| self.posts.get(&reference.bulk_id).copied()).collect();
        needed.sort_unstable();
        needed
    }

    fn step(&self, mut circle: Vec<usize>, edges: &[Vec<usize>]) -> Step {
        if let [one] = *circle.as_slice()
            && !edges[one].contains(&one)
        {
            return Step::One(one);
        }
        circle.sort_unstable();
        match self.order(&circle) {
            Some(ordered) => Step::Circle(ordered),
            None => Step::Knot(circle),
        }
    }

    /// The members of a circle in the client's order, but each behind those that it cannot be made
    /// without; nothing if these form a circle themselves.
    fn order(&self, circle: &[usize]) -> Option<Vec<usize>> {
        let places: HashMap<usize, usize> = circle.iter().enumerate().map(|(place, index)| (*index, place)).collect();
        let mut waits_for = vec![0_usize; circle.len()];
        let mut waited_for: Vec<Vec<usize>> = vec![Vec::new(); circle.len()];
        for (place, index) in circle.iter().enumerate() {
            for needed in self.needed_by(*index, true).iter().filter_map(|needed| places.get(needed)) {
                waits_for[place] += 1;
                waited_for[*needed].push(place);
            }
        }
        let free = (0..circle.len()).filter(|place| waits_for[*place] == 0);
        let mut free: BinaryHeap<Reverse<usize>> = free.map(Reverse).collect();
        let mut ordered = Vec::with_capacity(circle.len());
        while let Some(Reverse(place)) = free.pop() {
            ordered.push(circle[place]);
            for waiting in &waited_for[place] {
                waits_for[*waiting] -= 1;
                if waits_for[*waiting] == 0 {
                    free.push(Reverse(*waiting));
                }
            }
        }
        (ordered.len() == circle.len()).then_some(ordered)
    }
}

/// The strongly connected components, each behind those that it has edges to.
fn circles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let nodes = edges.len();
    let mut search =
        Search { seen: vec![None; nodes], lowest: vec![0; nodes], is_open: vec![false; nodes], ..Search::default() };
    for root in 0..nodes {
        if search.seen[root].is_none() {
            search.from(root, edges);
        }
    }
    search.found
}

/// Tarjan's algorithm under way.
#[derive(Default)]
struct Search {
    /// When a node was first come to.
    seen: Vec<Option<usize>>,
    clock: usize,
    /// The earliest node that is open and can be reached.
    lowest: Vec<usize>,
    /// The nodes whose component is not known yet.
    open: Vec<usize>,
    is_open: Vec<bool>,
    found: Vec<Vec<usize>>,
}

impl Search {
    fn from(&mut self, root: usize, edges: &[Vec<usize>]) {
        // The way from the root, with the next edge to take at each node: what a recursion would
        // keep on its stack.
        let mut way = vec![(root, 0)];
        self.come_to(root);
        while let Some((node, edge)) = way.last_mut() {
            let node = *node;
            if let Some(to) = edges[node].get(*edge).copied() {
                *edge += 1;
                match self.seen[to] {
                    None => {
                        self.come_to(to);
                        way.push((to, 0));
                    }
                    Some(seen) if self.is_open[to] => self.lowest[node] = self.lowest[node].min(seen),
                    Some(_) => {}
                }
                continue;
            }
            way.pop();
            if let Some((before, _)) = way.last() {
                self.lowest[*before] = self.lowest[*before].min(self.lowest[node]);
            }
            if self.seen[node] == Some(self.lowest[node]) {
                self.close(node);
            }
        }
    }

    fn come_to(&mut self, node: usize) {
        self.seen[node] = Some(self.clock);
        self.lowest[node] = self.clock;
        self.clock += 1;
        self.open.push(node);
        self.is_open[node] = true;
    }

    /// The component that `node` was the first of.
    fn close(&mut self, node: usize) {
        let begins = self.open.iter().rposition(|open| *open == node).unwrap_or_default();
        let circle = self.open.split_off(begins);
        for member in &circle {
            self.is_open[*member] = false;
        }
        self.found.push(circle);
    }
}
