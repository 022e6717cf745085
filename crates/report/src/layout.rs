//! Where boxes and arrows of a graph go: in columns by their levels, in an order with few crossings, each as near to
//! its neighbours as it can be (Sugiyama, Tagawa and Toda, 1981). Pure, and the same for the same graph.

use crate::graph::Graph;

/// The height of a box.
pub(crate) const HEIGHT: f64 = 40.0;
/// The least space between boxes of a column.
const GAP: f64 = 14.0;
/// What an arrow that passes a column takes of it.
const PASSING: f64 = 12.0;
/// The space between columns.
const BETWEEN: f64 = 36.0;
/// How often columns are sorted, and boxes moved.
const ROUNDS: usize = 8;
/// The most places at which arrows pass columns; in a graph with more they go straight.
const MOST_PASSINGS: usize = 20_000;

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// The left upper corner of each box, and its width.
    pub(crate) boxes: Vec<(f64, f64, f64)>,
    pub(crate) arrows: Vec<Arrow>,
}

/// An arrow from one box to another.
#[derive(Debug)]
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The points that it goes through; between columns it bends, through one it goes straight.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Something in a column: a box, or an arrow that passes.
#[derive(Debug)]
struct Item {
    task: Option<usize>,
    column: usize,
    before: Vec<usize>,
    after: Vec<usize>,
    y: f64,
}

impl Item {
    fn new(task: Option<usize>, column: usize) -> Self {
        Self { task, column, before: Vec::new(), after: Vec::new(), y: 0.0 }
    }

    fn height(&self) -> f64 {
        if self.task.is_some() { HEIGHT } else { PASSING }
    }
}

/// Lays out boxes of at least these widths; all of a column have the same.
pub(crate) fn lay_out(graph: &Graph, widths: &[f64]) -> Layout {
    let levels = graph.levels();
    let columns = levels.iter().max().map_or(0, |level| level + 1);
    let (mut items, chains) = items(graph, &levels);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); columns];
    for (number, item) in items.iter().enumerate() {
        order[item.column].push(number);
    }
    sort(&mut order, &items);
    place(&mut items, &order);

    let mut lefts = Vec::new();
    let mut x = 0.0;
    for column in &order {
        let width = column
            .iter()
            .filter_map(|&number| items[number].task)
            .map(|task| widths[task])
            .fold(0.0, f64::max);
        lefts.push((x, width));
        x += width + BETWEEN;
    }
    let top = items.iter().map(|item| item.y - item.height() / 2.0).fold(f64::INFINITY, f64::min);
    let bottom = items.iter().map(|item| item.y + item.height() / 2.0).fold(top, f64::max);
    let top = if top.is_finite() { top } else { 0.0 };
    let boxes: Vec<(f64, f64, f64)> = (0..levels.len())
        .map(|task| (lefts[levels[task]].0, items[task].y - HEIGHT / 2.0 - top, lefts[levels[task]].1))
        .collect();
    let arrows = chains.into_iter().map(|chain| {
        let (from, to) = (chain[0], chain[chain.len() - 1]);
        let mut points = vec![(boxes[from].0 + boxes[from].2, items[from].y - top)];
        for &number in &chain[1..chain.len() - 1] {
            let (left, width) = lefts[items[number].column];
            points.extend([(left, items[number].y - top), (left + width, items[number].y - top)]);
        }
        points.push((boxes[to].0, items[to].y - top));
        Arrow { from, to, points }
    });
    Layout {
        width: (x - BETWEEN).max(0.0),
        height: if bottom.is_finite() { bottom - top } else { 0.0 },
        arrows: arrows.collect(),
        boxes,
    }
}

/// Returns the boxes, then what passes columns, and for each arrow what it goes through.
fn items(graph: &Graph, levels: &[usize]) -> (Vec<Item>, Vec<Vec<usize>>) {
    let mut items: Vec<Item> =
        levels.iter().enumerate().map(|(task, &level)| Item::new(Some(task), level)).collect();
    let arrows =
        || graph.needs.iter().enumerate().flat_map(|(to, needs)| needs.iter().map(move |&from| (from, to)));
    let passings: usize = arrows().map(|(from, to)| levels[to] - levels[from] - 1).sum();
    let mut chains = Vec::new();
    for (from, to) in arrows() {
        let mut chain = vec![from];
        if passings <= MOST_PASSINGS {
            for column in levels[from] + 1..levels[to] {
                chain.push(items.len());
                items.push(Item::new(None, column));
            }
        }
        chain.push(to);
        for pair in chain.windows(2) {
            items[pair[0]].after.push(pair[1]);
            items[pair[1]].before.push(pair[0]);
        }
        chains.push(chain);
    }
    (items, chains)
}

/// Sorts each column by the middle of its neighbours, there and back, and keeps the order with the fewest crossings.
fn sort(order: &mut Vec<Vec<usize>>, items: &[Item]) {
    let mut best = (crossings(order, items), order.clone());
    for round in 0..ROUNDS {
        let forth = round % 2 == 0;
        let mut positions = positions(order, items.len());
        let count = order.len();
        for step in 1..count {
            let column = if forth { step } else { count - 1 - step };
            let key = |number: usize| {
                let neighbours = if forth { &items[number].before } else { &items[number].after };
                let sum: f64 = neighbours.iter().map(|&neighbour| positions[neighbour]).sum();
                // Who has no neighbour there stays where it is.
                if neighbours.is_empty() { positions[number] } else { sum / neighbours.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> =
                order[column].iter().map(|&number| (key(number), number)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            let length = keyed.len() as f64;
            for (place, (_, number)) in keyed.iter().enumerate() {
                positions[*number] = (place as f64 + 0.5) / length;
            }
            order[column] = keyed.into_iter().map(|(_, number)| number).collect();
        }
        let count = crossings(order, items);
        if count < best.0 {
            best = (count, order.clone());
        }
    }
    *order = best.1;
}

/// Returns for each item how far down its column it is, from 0 to 1.
fn positions(order: &[Vec<usize>], count: usize) -> Vec<f64> {
    let mut positions = vec![0.0; count];
    for column in order {
        for (place, &number) in column.iter().enumerate() {
            positions[number] = (place as f64 + 0.5) / column.len() as f64;
        }
    }
    positions
}

/// Counts the pairs of arrows that cross between columns.
fn crossings(order: &[Vec<usize>], items: &[Item]) -> usize {
    let mut places = vec![0; items.len()];
    for column in order {
        for (place, &number) in column.iter().enumerate() {
            places[number] = place;
        }
    }
    let mut count = 0;
    for column in order {
        let mut ends: Vec<usize> = Vec::new();
        let mut most = 0;
        for &number in column {
            let mut own: Vec<usize> = items[number].after.iter().map(|&after| places[after]).collect();
            own.sort_unstable();
            most = own.iter().copied().fold(most, usize::max);
            ends.extend(own);
        }
        // How many ends so far are behind each one: a Fenwick tree of counts.
        let mut tree = vec![0_usize; most + 2];
        for (before, end) in ends.into_iter().enumerate() {
            let mut not_behind = 0;
            let mut at = end + 1;
            while at > 0 {
                not_behind += tree[at];
                at &= at - 1;
            }
            count += before - not_behind;
            let mut at = end + 1;
            while at < tree.len() {
                tree[at] += 1;
                at += at & at.wrapping_neg();
            }
        }
    }
    count
}

/// Moves everything as near to the middle of its neighbours as the order and the gaps allow.
fn place(items: &mut [Item], order: &[Vec<usize>]) {
    for column in order {
        let mut y = 0.0;
        for &number in column {
            items[number].y = y + items[number].height() / 2.0;
            y += items[number].height() + GAP;
        }
    }
    for round in 0..=2 * ROUNDS {
        let forth = round % 2 == 0;
        for step in 0..order.len() {
            let column = &order[if forth { step } else { order.len() - 1 - step }];
            let wish = |number: usize| {
                let item = &items[number];
                // Later rounds look to both sides, so that neither wins; the last one makes chains straight.
                let both = (ROUNDS..2 * ROUNDS).contains(&round);
                let neighbours = || {
                    let before = item.before.iter().filter(|_| forth || both);
                    before.chain(item.after.iter().filter(|_| !forth || both))
                };
                let count = neighbours().count();
                if count == 0 {
                    item.y
                } else {
                    neighbours().map(|&other| items[other].y).sum::<f64>() / count as f64
                }
            };
            let wishes: Vec<f64> = column.iter().map(|&number| wish(number)).collect();
            let mut offsets = Vec::with_capacity(column.len());
            let mut offset = 0.0;
            for (place, &number) in column.iter().enumerate() {
                if place > 0 {
                    offset += (items[column[place - 1]].height() + items[number].height()) / 2.0 + GAP;
                }
                offsets.push(offset);
            }
            for ((&number, y), offset) in column.iter().zip(nearest(&wishes, &offsets)).zip(&offsets) {
                items[number].y = y + offset;
            }
        }
    }
}

/// Returns the numbers that never fall and are nearest to the wishes less their offsets, by the least squares (pooling
/// of adjacent violators).
fn nearest(wishes: &[f64], offsets: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (wish, offset) in wishes.iter().zip(offsets) {
        let mut pool = (wish - offset, 1);
        while let Some(last) = pools.pop_if(|last| last.0 > pool.0) {
            let count = last.1 + pool.1;
            pool = ((last.0 * last.1 as f64 + pool.0 * pool.1 as f64) / count as f64, count);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(needs: Vec<Vec<usize>>) -> Graph {
        Graph { needs }
    }

    proptest! {
        #[test]
        fn boxes_do_not_overlap_and_arrows_go_to_the_right(
            needs in proptest::collection::vec(proptest::collection::btree_set(0_usize..40, 0..4), 1..40),
            wide in 10.0..200.0_f64,
        ) {
            let needs = needs.into_iter().enumerate();
            let needs = needs.map(|(place, needs)| needs.into_iter().filter(|need| *need < place).collect());
            let graph = graph(needs.collect());
            let widths: Vec<f64> = (0..graph.needs.len()).map(|task| wide + task as f64).collect();
            let layout = lay_out(&graph, &widths);
            for (one, a) in layout.boxes.iter().enumerate() {
                prop_assert!(a.0 >= 0.0 && a.1 >= -1e-6, "{a:?}");
                prop_assert!(a.0 + a.2 <= layout.width + 1e-6 && a.1 + HEIGHT <= layout.height + 1e-6, "{a:?}");
                for b in &layout.boxes[..one] {
                    let apart = a.0 + a.2 <= b.0 || b.0 + b.2 <= a.0
                        || a.1 + HEIGHT <= b.1 + 1e-6 || b.1 + HEIGHT <= a.1 + 1e-6;
                    prop_assert!(apart, "{a:?} {b:?}");
                }
            }
            prop_assert_eq!(layout.arrows.len(), graph.needs.iter().map(Vec::len).sum::<usize>());
            for arrow in &layout.arrows {
                prop_assert!(graph.needs[arrow.to].contains(&arrow.from));
                prop_assert!(arrow.points.is_sorted_by(|a, b| a.0 <= b.0), "{arrow:?}");
            }
        }
    }

    #[test]
    fn a_chain_is_straight_and_a_fork_is_even() {
        let layout = lay_out(&graph(vec![vec![], vec![0], vec![1], vec![1], vec![2, 3]]), &[100.0; 5]);
        let ys: Vec<f64> = layout.boxes.iter().map(|place| place.1.round()).collect();
        assert_eq!(ys, [27.0, 27.0, 0.0, 54.0, 27.0]);
        assert_eq!((layout.width, layout.height.round()), (4.0 * 100.0 + 3.0 * BETWEEN, 94.0));
    }

    #[test]
    fn arrows_cross_only_where_they_must() {
        // Three chains that are declared crosswise.
        let layout = lay_out(&graph(vec![vec![], vec![], vec![], vec![2], vec![1], vec![0]]), &[10.0; 6]);
        let pairs = || layout.arrows.iter().enumerate();
        for (one, a) in pairs() {
            for (_, b) in pairs().take(one) {
                let above = |at: usize| a.points[at].1 < b.points[at].1;
                assert_eq!(above(0), above(1), "{a:?} crosses {b:?}");
            }
        }
    }

    #[test]
    fn a_graph_without_tasks_is_nothing() {
        let layout = lay_out(&graph(Vec::new()), &[]);
        assert_eq!((layout.width, layout.height), (0.0, 0.0));
    }

    #[test]
    fn a_large_graph_is_laid_out_in_a_moment() {
        // Five hundred artifacts, each tagged, built and pushed, and a release of all of them.
        let mut needs: Vec<Vec<usize>> = Vec::new();
        for artifact in 0..500 {
            needs.extend([vec![], vec![artifact * 3], vec![artifact * 3 + 1]]);
        }
        needs.push((0..500).map(|artifact| artifact * 3 + 2).collect());
        let layout = lay_out(&graph(needs), &[100.0; 1501]);
        assert_eq!(layout.boxes.len(), 1501);
    }
}
