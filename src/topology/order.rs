//! The order in which data flows through a plan, and the cycles where it has none.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap, VecDeque},
};

use super::mistake::PlanErrors;
use super::plan::Plan;

impl Plan {
    /// The indices of the components so that each comes after all that it reads; `None` when a
    /// cycle makes that impossible.
    ///
    /// Where the streams leave a choice, the component declared first comes first. Inputs that
    /// name no component are passed over; [`check`](Plan::check) reports them.
    #[must_use]
    pub fn topological_order(&self) -> Option<Vec<usize>> {
        let graph = Graph::of(self);
        let mut unmet: Vec<usize> = graph.read.iter().map(BTreeSet::len).collect();
        let mut ready: BinaryHeap<_> = (0..unmet.len())
            .filter(|&component| unmet[component] == 0)
            .map(Reverse)
            .collect();
        let mut order = Vec::with_capacity(unmet.len());
        while let Some(Reverse(component)) = ready.pop() {
            order.push(component);
            for &reader in &graph.readers[component] {
                unmet[reader] -= 1;
                if unmet[reader] == 0 {
                    ready.push(Reverse(reader));
                }
            }
        }
        (order.len() == unmet.len()).then_some(order)
    }

    /// The same, where the plan has no mistakes.
    pub(crate) fn order(&self) -> Result<Vec<usize>, PlanErrors> {
        self.check()?;
        self.topological_order().ok_or_else(|| PlanErrors {
            topology: self.name.clone(),
            errors: Vec::new(),
        })
    }

    /// The shortest cycle through each connection that lies on one, each cycle once, from its
    /// first declared component around to it again.
    ///
    /// Not every cycle there is: their number can grow exponentially with the components. But a
    /// plan with cycles gives at least one, and every connection that is at fault is in one.
    pub(super) fn cycles(&self) -> Vec<Vec<usize>> {
        if self.topological_order().is_some() {
            return Vec::new();
        }
        let graph = Graph::of(self);
        let mut cycles = BTreeSet::new();
        for start in 0..self.components.len() {
            let next = graph.steps_towards(start);
            for &first in &graph.readers[start] {
                if first != start && next[first].is_none() {
                    continue;
                }
                let mut cycle = vec![start];
                let mut at = first;
                // Ends: each step of `next` is one nearer to `start`.
                while at != start {
                    cycle.push(at);
                    let Some(step) = next[at] else { break };
                    at = step;
                }
                cycles.insert(from_lowest(cycle));
            }
        }
        cycles.into_iter().collect()
    }
}

/// The cycle turned to begin at its lowest index, and closed with it.
fn from_lowest(mut cycle: Vec<usize>) -> Vec<usize> {
    let lowest = (0..cycle.len()).min_by_key(|&at| cycle[at]).unwrap_or(0);
    cycle.rotate_left(lowest);
    cycle.extend(cycle.first().copied());
    cycle
}

/// Which component reads which, by index.
struct Graph {
    /// For each component, those that read it.
    readers: Vec<BTreeSet<usize>>,
    /// For each component, those that it reads.
    read: Vec<BTreeSet<usize>>,
}

impl Graph {
    fn of(plan: &Plan) -> Self {
        let mut index = HashMap::new();
        for (at, component) in plan.components.iter().enumerate() {
            index.entry(component.id.as_str()).or_insert(at);
        }
        let mut graph = Self {
            readers: vec![BTreeSet::new(); plan.components.len()],
            read: vec![BTreeSet::new(); plan.components.len()],
        };
        for (reader, component) in plan.components.iter().enumerate() {
            for input in &component.inputs {
                if let Some(&from) = index.get(input.component.as_str()) {
                    graph.readers[from].insert(reader);
                    graph.read[reader].insert(from);
                }
            }
        }
        graph
    }

    /// For each component from which `goal` can be reached, the next one on a shortest way there.
    fn steps_towards(&self, goal: usize) -> Vec<Option<usize>> {
        let mut next = vec![None; self.read.len()];
        let mut queue = VecDeque::from([goal]);
        while let Some(at) = queue.pop_front() {
            for &before in &self.read[at] {
                if before != goal && next[before].is_none() {
                    next[before] = Some(at);
                    queue.push_back(before);
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use crate::topology::{
        plan::{ComponentPlan, Grouping},
        samples::{bolt, input, plan, rolling_top_words, spout},
    };

    fn reading(id: &str, read: &[&str]) -> ComponentPlan {
        bolt(id, read.iter().map(|id| input(id, Grouping::Shuffle)))
    }

    #[test]
    fn order_follows_the_data_and_then_the_declaration() {
        assert_eq!(
            rolling_top_words().topological_order(),
            Some(vec![0, 1, 2, 3])
        );
        let plan = plan([
            reading("joined", &["left", "right"]),
            reading("right", &["words"]),
            reading("left", &["words"]),
            spout("words"),
        ]);
        assert_eq!(plan.topological_order(), Some(vec![3, 1, 2, 0]));
    }

    #[test]
    fn two_cycles_through_one_component_are_both_found_once() {
        let plan = plan([
            reading("a", &["b", "c"]),
            reading("b", &["a"]),
            reading("c", &["a"]),
        ]);
        assert_eq!(plan.topological_order(), None);
        assert_eq!(plan.cycles(), [[0, 1, 0], [0, 2, 0]]);
    }

    /// Every way in which three components can read each other, themselves included.
    #[test]
    fn a_plan_has_an_order_or_a_cycle_and_never_both() {
        let ids = ["a", "b", "c"];
        for edges in 0..1_u32 << 9 {
            let reads = |reader: usize, read: usize| edges >> (reader * 3 + read) & 1 == 1;
            let plan = plan((0..3).map(|reader| {
                let read = (0..3).filter(|&read| reads(reader, read));
                reading(ids[reader], &read.map(|read| ids[read]).collect::<Vec<_>>())
            }));
            let cycles = plan.cycles();
            for cycle in &cycles {
                assert_eq!(cycle.first(), cycle.last());
                assert!(cycle.windows(2).all(|step| reads(step[1], step[0])));
            }
            match plan.topological_order() {
                None => assert!(!cycles.is_empty(), "{edges:b}"),
                Some(order) => {
                    assert!(cycles.is_empty(), "{edges:b}");
                    let place = |id| order.iter().position(|&at| at == id).unwrap();
                    for (reader, read) in (0..9).map(|pair| (pair / 3, pair % 3)) {
                        assert!(!reads(reader, read) || place(read) < place(reader));
                    }
                }
            }
        }
    }

    /// Sixty components that all read each other have more cycles than there are atoms.
    #[test]
    fn a_knot_of_cycles_ends_with_the_short_ones() {
        let ids: Vec<_> = (0..60).map(|at| at.to_string()).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let plan = plan(ids.iter().map(|id| reading(id, &ids)));
        let cycles = plan.cycles();
        assert_eq!(cycles.len(), 60 + 60 * 59 / 2);
        assert!(cycles.iter().all(|cycle| cycle.len() <= 3));
    }
}
