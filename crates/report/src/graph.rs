//! Tasks and those that they need, as numbers: what pictures are laid out by.

use std::collections::BTreeMap;

use shipway_core::{Task, TaskId};

/// The most tasks whose needs are thinned out: the work grows with their square.
const THINNED: usize = 4000;

/// Who needs whom, by places among the tasks.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Those that each needs, in the plan's order.
    pub(crate) needs: Vec<Vec<usize>>,
}

impl Graph {
    /// Returns the graph of a plan's tasks. A need that comes after who needs it, or is not there, is left out: a plan
    /// has none, but what is read may have.
    pub(crate) fn of<'a>(tasks: impl Iterator<Item = &'a Task> + Clone) -> Self {
        let places: BTreeMap<&TaskId, usize> = tasks.clone().map(|task| &task.id).zip(0..).collect();
        let needs = tasks.enumerate().map(|(place, task)| {
            let earlier = task.needs.iter().filter_map(|need| places.get(need).copied());
            let mut needs: Vec<usize> = earlier.filter(|need| *need < place).collect();
            needs.sort_unstable();
            needs.dedup();
            needs
        });
        Self { needs: needs.collect() }
    }

    /// Returns the graph without needs that follow from others: the order that it tells is the same.
    pub(crate) fn thinned(&self) -> Self {
        let count = self.needs.len();
        if count > THINNED {
            return Self { needs: self.needs.clone() };
        }
        // A bit for each task that comes before, directly or not.
        let words = count.div_ceil(64);
        let mut before = vec![vec![0_u64; words]; count];
        let mut thinned = Vec::with_capacity(count);
        for place in 0..count {
            let mut own = vec![0_u64; words];
            let mut kept = Vec::new();
            // Who comes late may have the others before it.
            for &need in self.needs[place].iter().rev() {
                let known = own[need / 64] >> (need % 64) & 1 == 1;
                if !known {
                    kept.push(need);
                }
                for (word, more) in own.iter_mut().zip(&before[need]) {
                    *word |= more;
                }
                own[need / 64] |= 1 << (need % 64);
            }
            kept.reverse();
            thinned.push(kept);
            before[place] = own;
        }
        Self { needs: thinned }
    }

    /// Returns those that need each.
    pub(crate) fn needed_by(&self) -> Vec<Vec<usize>> {
        let mut needed_by = vec![Vec::new(); self.needs.len()];
        for (place, needs) in self.needs.iter().enumerate() {
            for &need in needs {
                needed_by[need].push(place);
            }
        }
        needed_by
    }

    /// Returns how many tasks come before each on the longest chain; what needs nothing stands just before those that
    /// need it.
    pub(crate) fn levels(&self) -> Vec<usize> {
        let mut levels = vec![0; self.needs.len()];
        for place in 0..levels.len() {
            levels[place] = self.needs[place].iter().map(|&need| levels[need] + 1).max().unwrap_or(0);
        }
        for (place, users) in self.needed_by().into_iter().enumerate() {
            if self.needs[place].is_empty() {
                levels[place] = users.into_iter().map(|user| levels[user] - 1).min().unwrap_or(0);
            }
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(needs: &[&[usize]]) -> Graph {
        Graph { needs: needs.iter().map(|needs| needs.to_vec()).collect() }
    }

    fn before(graph: &Graph) -> Vec<Vec<bool>> {
        let count = graph.needs.len();
        let mut before = vec![vec![false; count]; count];
        for place in 0..count {
            for &need in &graph.needs[place] {
                let further = before[need].clone();
                for (own, more) in before[place].iter_mut().zip(further) {
                    *own |= more;
                }
                before[place][need] = true;
            }
        }
        before
    }

    proptest! {
        #[test]
        fn thinning_keeps_the_order_and_nothing_that_follows(
            needs in proptest::collection::vec(proptest::collection::btree_set(0_usize..80, 0..5), 0..80)
        ) {
            let needs = needs.into_iter().enumerate();
            let needs = needs.map(|(place, needs)| needs.into_iter().filter(|need| *need < place).collect());
            let graph = Graph { needs: needs.collect() };
            let thinned = graph.thinned();
            prop_assert_eq!(before(&graph), before(&thinned));
            let before = before(&thinned);
            for needs in &thinned.needs {
                for &need in needs {
                    prop_assert!(!needs.iter().any(|&other| before[other][need]), "{needs:?}");
                }
            }
            let levels = graph.levels();
            for (place, needs) in graph.needs.iter().enumerate() {
                for &need in needs {
                    prop_assert!(levels[need] < levels[place]);
                }
            }
        }
    }

    #[test]
    fn what_needs_nothing_stands_beside_who_needs_it() {
        assert_eq!(graph(&[&[], &[0], &[1], &[], &[2, 3], &[]]).levels(), [0, 1, 2, 2, 3, 0]);
    }
}
