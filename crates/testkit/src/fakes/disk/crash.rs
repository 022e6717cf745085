//! What may be found after a crash.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    operation::{FileNumber, Operation},
    recording::RecordingDisk,
    tree::{Tree, folder_of},
};

/// A disk as a crash left it.
///
/// After a kill, [`RecordingDisk::crashes`] of this disk goes on from there: a power cut may follow.
#[derive(Clone, Debug)]
pub struct DiskCrash {
    done: usize,
    last: Option<String>,
    how: How,
    disk: RecordingDisk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Killed,
    KilledWriting,
    /// With how many of these before it at the same moment; the first loses all that it may.
    Cut(usize),
}

impl DiskCrash {
    /// Returns the disk.
    #[must_use]
    pub fn disk(&self) -> &RecordingDisk {
        &self.disk
    }

    /// Returns how many operations had ended before the crash.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// Returns whether it was a power cut; otherwise a kill.
    #[must_use]
    pub fn power_cut(&self) -> bool {
        matches!(self.how, How::Cut(_))
    }
}

impl fmt::Display for DiskCrash {
    /// Writes what one needs to know to find the crash again, such as `power cut 3 after 12 operations, the last:
    /// sync a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            How::Killed => f.write_str("kill")?,
            How::KilledWriting => f.write_str("kill in the middle of the last write")?,
            How::Cut(number) => write!(f, "power cut {number}")?,
        }
        write!(f, " after {} operations", self.done)?;
        match &self.last {
            Some(last) => write!(f, ", the last: {last}"),
            None => Ok(()),
        }
    }
}

pub(super) fn all(
    start: Tree,
    operations: Vec<Operation>,
    seed: u64,
    random: usize,
) -> impl Iterator<Item = DiskCrash> {
    (0..=operations.len()).flat_map(move |done| {
        let before = &operations[..done];
        let crash = |how, disk| DiskCrash { done, last: before.last().map(ToString::to_string), how, disk };
        let mut crashes = vec![crash(How::Killed, RecordingDisk::after(start.clone(), before.to_vec()))];
        if let Some(begun) = begun(before) {
            let disk = RecordingDisk::after(start.clone(), begun);
            crashes.push(DiskCrash { done: done - 1, ..crash(How::KilledWriting, disk) });
        }
        let sure = sure(before);
        for number in 0..=random {
            let mut chance = Chance::new(seed, done, number);
            let disk = RecordingDisk::after(cut(&start, before, &sure, &mut chance), Vec::new());
            crashes.push(crash(How::Cut(number), disk));
        }
        crashes
    })
}

/// Returns the disk after a power cut that loses some of what it may.
pub(super) fn power_cut(start: &Tree, operations: &[Operation], seed: u64) -> RecordingDisk {
    let mut chance = Chance::new(seed, operations.len(), 1);
    RecordingDisk::after(cut(start, operations, &sure(operations), &mut chance), Vec::new())
}

/// Returns the operations with half of the last, if that is a write.
fn begun(operations: &[Operation]) -> Option<Vec<Operation>> {
    let (last, before) = operations.split_last()?;
    let Operation::Write { path, file, bytes } = last else { return None };
    let half = Operation::Write { path: path.clone(), file: *file, bytes: bytes[..bytes.len() / 2].into() };
    (bytes.len() > 1).then(|| [before, &[half]].concat())
}

/// Whether what an operation did outlasts a power cut for sure.
#[derive(Clone, Copy, Debug, Default)]
struct Sure {
    /// What was written or named.
    made: bool,
    /// That the old name of what was renamed is gone.
    unlinked: bool,
}

/// Returns for each operation whether a later one makes it sure.
fn sure(operations: &[Operation]) -> Vec<Sure> {
    let (mut folders, mut files) = (BTreeSet::new(), BTreeSet::new());
    let mut sure = vec![Sure::default(); operations.len()];
    for (sure, operation) in sure.iter_mut().zip(operations).rev() {
        match operation {
            Operation::SyncFolder { path } => drop(folders.insert(path.as_path())),
            Operation::Sync { file, .. } => drop(files.insert(*file)),
            Operation::Write { file, .. } => sure.made = files.contains(file),
            Operation::Create { path, .. }
            | Operation::Remove { path }
            | Operation::CreateFolder { path } => {
                sure.made = folders.contains(folder_of(path));
            }
            Operation::Rename { from, to, .. } => {
                sure.unlinked = folders.contains(folder_of(from));
                // It is one step: where the old name is gone, the new one is there.
                sure.made = sure.unlinked || folders.contains(folder_of(to));
            }
            Operation::Touch { .. } => {}
        }
    }
    sure
}

/// Returns what a power cut leaves.
fn cut(start: &Tree, operations: &[Operation], sure: &[Sure], chance: &mut Chance) -> Tree {
    let mut tree = start.clone();
    // Where the bytes end that are left of a file; what is lost before that is zeros.
    let mut ends: BTreeMap<FileNumber, usize> = BTreeMap::new();
    for (operation, sure) in operations.iter().zip(sure) {
        match operation {
            Operation::Write { path, file, bytes } => {
                let (from, to) = if sure.made { (0, bytes.len()) } else { chance.part(bytes.len()) };
                let mut left = vec![0; bytes.len()];
                left[from..to].copy_from_slice(&bytes[from..to]);
                let begins = tree.file(*file).map_or(0, |file| file.bytes.len());
                tree.apply(&Operation::Write { path: path.clone(), file: *file, bytes: left.into() });
                let end = ends.entry(*file).or_insert(begins);
                if from < to {
                    *end = begins + to;
                }
            }
            Operation::Rename { to, file, .. } => {
                if sure.made || chance.half() {
                    if sure.unlinked || chance.half() {
                        tree.apply(operation);
                    } else {
                        tree.link(to, *file);
                    }
                }
            }
            Operation::Create { .. } | Operation::Remove { .. } | Operation::CreateFolder { .. } => {
                if sure.made || chance.half() {
                    tree.apply(operation);
                }
            }
            Operation::Sync { .. } | Operation::Touch { .. } | Operation::SyncFolder { .. } => {
                tree.apply(operation);
            }
        }
    }
    for (file, end) in ends {
        tree.truncate(file, end);
    }
    tree.prune();
    tree
}

/// What becomes of what may be lost: all of it is lost, or some of it, by a splitmix64 from a seed.
struct Chance(Option<u64>);

impl Chance {
    /// Returns the chance of a power cut; the first loses all.
    fn new(seed: u64, done: usize, number: usize) -> Self {
        let mut chance = Self((number > 0).then_some(seed));
        for part in [done as u64, number as u64] {
            let mixed = chance.next() ^ part;
            chance.0 = chance.0.map(|_| mixed);
        }
        chance
    }

    fn next(&mut self) -> u64 {
        let Some(state) = &mut self.0 else { return 0 };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn half(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// Returns which part of so many bytes stays: none, all, the beginning or the end.
    fn part(&mut self, length: usize) -> (usize, usize) {
        let cut = usize::try_from(self.next() % (length as u64 + 1)).unwrap_or(0);
        match self.next() % 4 {
            0 => (0, 0),
            1 => (0, length),
            2 => (0, cut),
            _ => (cut, length),
        }
    }
}
