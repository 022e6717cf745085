//! The walk through a folder of the machine: each folder below it is read once, however many lists of patterns
//! there are, and a large one by several threads. Every folder is opened beneath the one that it is in without
//! following links.

use std::{
    collections::HashSet,
    ffi::{CStr, CString},
    io,
    mem::take,
    os::fd::OwnedFd,
    panic::resume_unwind,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::scope,
};

use rustix::fs::{FileType, RawDir};

use super::{
    cores::cores,
    files::{entry_at, entry_of, not_a_folder, open_folder, open_root},
};
use crate::{
    Context, Entry, EntryKind, Error, Result,
    ignore::{Decision, IgnoreRules},
};

/// Folders nested deeper are refused: each may keep a file open.
const MAX_DEPTH: usize = 256;

/// Something that is another kind of thing at each look is given up after so many.
pub(super) const MAX_LOOKS: u32 = 100;

/// The most threads; more would wait for the disk.
const MOST: usize = 4;

/// How many entries are looked at before another thread is worth its beginning.
const FEW: usize = 2_000;

/// What the kernel lists at once.
pub(super) const BUFFER: usize = 32 * 1024;

/// Returns what each of the lists keeps below the root, sorted by path.
pub(super) fn walk(cx: &Context, root: &Path, lists: &[IgnoreRules]) -> Result<Vec<Vec<Entry>>> {
    let threads = cores().min(MOST);
    Walk { cx, root, lists }.run(threads, FEW)
}

struct Walk<'a> {
    cx: &'a Context,
    root: &'a Path,
    lists: &'a [IgnoreRules],
}

/// A folder that was listed and is to be entered.
struct Found {
    above: Arc<OwnedFd>,
    name: CString,
    path: String,
    depth: usize,
    decisions: Vec<Option<Decision>>,
}

/// What a thread has seen.
struct Seen {
    /// By list: what it keeps, and the folders that it leaves out but for what may be kept below them.
    kept: Vec<Vec<Entry>>,
    passed: Vec<Vec<Entry>>,
    /// What is still to be entered, the last first, so that few folders are open at once.
    found: Vec<Found>,
    looks: usize,
    errors: Vec<(String, Error)>,
    stopped: Option<Error>,
    buffer: Vec<u8>,
}

/// What the threads share: the folders that nobody has entered yet, and how many threads are in one, which may
/// find more.
#[derive(Default)]
struct Shared {
    stack: Mutex<(Vec<Found>, usize)>,
    changed: Condvar,
}

impl Walk<'_> {
    fn run(&self, threads: usize, few: usize) -> Result<Vec<Vec<Entry>>> {
        let mut seen = Seen::new(self.lists.len());
        let folder = Arc::new(open_root(self.root)?);
        self.read(&folder, "", 0, &vec![Some(Decision::default()); self.lists.len()], &mut seen);
        while (threads < 2 || seen.looks < few)
            && let Some(found) = seen.found.pop()
        {
            self.enter(&found, &mut seen);
        }
        let mut all = vec![seen];
        if let Some(first) = all.first_mut()
            && !first.found.is_empty()
        {
            let shared = Shared { stack: Mutex::new((take(&mut first.found), 0)), ..Shared::default() };
            all = self.share(threads, &shared, all);
        }
        self.result(all)
    }

    /// Enters what is on the stack, with this thread as one of several.
    fn share(&self, threads: usize, shared: &Shared, mut all: Vec<Seen>) -> Vec<Seen> {
        scope(|scope| {
            let work = || self.work(shared, Seen::new(self.lists.len()));
            let others: Vec<_> = (1..threads)
                .filter_map(|_| {
                    let thread = std::thread::Builder::new().name("shipway-walk".to_owned());
                    thread.spawn_scoped(scope, work).ok()
                })
                .collect();
            all.push(work());
            for other in others {
                all.push(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            all
        })
    }

    fn work(&self, shared: &Shared, mut seen: Seen) -> Seen {
        while let Some(found) = shared.next() {
            // It counts as entered also when something panics, so that the others do not wait for it.
            let entered = Entered(shared);
            self.enter(&found, &mut seen);
            let mut stack = shared.lock();
            stack.0.append(&mut seen.found);
            if seen.stopped.is_some() {
                stack.0.clear();
            }
            drop(stack);
            drop(entered);
        }
        seen.sort();
        seen
    }

    fn result(&self, all: Vec<Seen>) -> Result<Vec<Vec<Entry>>> {
        let (mut stopped, mut errors) = (None, Vec::new());
        let mut lists: Vec<(Vec<Entry>, Vec<Entry>)> = self.lists.iter().map(|_| <_>::default()).collect();
        for seen in all {
            stopped = stopped.or(seen.stopped);
            errors.extend(seen.errors);
            for ((kept, passed), more) in lists.iter_mut().zip(seen.kept.into_iter().zip(seen.passed)) {
                kept.extend(more.0);
                passed.extend(more.1);
            }
        }
        // Which thread met which error first is chance; which path comes first is not.
        let first = errors.into_iter().min_by(|a, b| a.0.cmp(&b.0)).map(|(_, error)| error);
        match stopped.or(first) {
            Some(error) => Err(error),
            None => Ok(lists.into_iter().map(|(kept, passed)| with_folders(kept, passed)).collect()),
        }
    }

    /// Enters a folder, if it still is one.
    fn enter(&self, found: &Found, seen: &mut Seen) {
        match enter(found) {
            Ok((entry, below)) => {
                seen.add(entry, self.lists, &found.decisions);
                if let Some(below) = below {
                    let prefix = format!("{}/", found.path);
                    self.read(&Arc::new(below), &prefix, found.depth + 1, &found.decisions, seen);
                }
            }
            // It went away since it was listed, so it is not there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.failed(&found.path, error, seen),
        }
    }

    fn failed(&self, path: &str, error: io::Error, seen: &mut Seen) {
        seen.errors.push((path.to_owned(), Error::io("read", &self.root.join(path), error)));
    }

    /// Lists a folder that was opened.
    fn read(
        &self,
        folder: &Arc<OwnedFd>,
        prefix: &str,
        depth: usize,
        above: &[Option<Decision>],
        seen: &mut Seen,
    ) {
        if let Err(error) = self.cx.check_stopped() {
            seen.stopped = Some(error);
            return seen.found.clear();
        }
        if depth > MAX_DEPTH {
            let error = io::Error::other(format!("folders are nested more than {MAX_DEPTH} deep"));
            return self.failed(prefix, error, seen);
        }
        let mut buffer = take(&mut seen.buffer);
        let mut items = RawDir::new(folder, buffer.spare_capacity_mut());
        while let Some(item) = items.next() {
            match item {
                Ok(item) if item.file_name() == c"." || item.file_name() == c".." => {}
                Ok(item) => {
                    let path = format!("{prefix}{}", item.file_name().to_string_lossy());
                    let kind = item.file_type();
                    if let Err(error) = self.look(folder, item.file_name(), kind, &path, depth, above, seen) {
                        self.failed(&path, error, seen);
                    }
                }
                Err(error) => {
                    self.failed(prefix, error.into(), seen);
                    break;
                }
            }
        }
        seen.buffer = buffer;
    }

    /// Looks at what was listed, and notes a folder to enter it later.
    #[expect(clippy::too_many_arguments, reason = "it is the body of a loop")]
    fn look(
        &self,
        folder: &Arc<OwnedFd>,
        name: &CStr,
        kind: FileType,
        path: &str,
        depth: usize,
        above: &[Option<Decision>],
        seen: &mut Seen,
    ) -> io::Result<()> {
        // Some file systems do not say in a listing what an entry is.
        let may_be_folder = matches!(kind, FileType::Directory | FileType::Unknown);
        let decide = |(rules, above): (&IgnoreRules, &Option<Decision>)| {
            let decision = rules.decide_below((*above)?, path);
            let wanted = !rules.ignores(decision) || (may_be_folder && rules.may_keep(decision, path));
            wanted.then_some(decision)
        };
        let decisions: Vec<_> = self.lists.iter().zip(above).map(decide).collect();
        if decisions.iter().all(Option::is_none) {
            return Ok(());
        }
        if name.to_str().is_err() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a file's name is not UTF-8"));
        }
        seen.looks += 1;
        let entry = match may_be_folder {
            true => None,
            false => match entry_at(folder, name, path.to_owned()) {
                // It went away since it was listed, so it is not there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                other => Some(other?),
            },
        };
        match entry {
            Some(entry) if entry.kind != EntryKind::Folder => seen.add(entry, self.lists, &decisions),
            _ => seen.found.push(Found {
                above: Arc::clone(folder),
                name: name.to_owned(),
                path: path.to_owned(),
                depth,
                decisions,
            }),
        }
        Ok(())
    }
}

impl Seen {
    fn new(lists: usize) -> Self {
        let empty = || (0..lists).map(|_| Vec::new()).collect();
        let buffer = Vec::with_capacity(BUFFER);
        Self {
            kept: empty(),
            passed: empty(),
            found: Vec::new(),
            looks: 0,
            errors: Vec::new(),
            stopped: None,
            buffer,
        }
    }

    /// Adds an entry to the lists that may keep it.
    fn add(&mut self, entry: Entry, lists: &[IgnoreRules], decisions: &[Option<Decision>]) {
        let is_folder = entry.kind == EntryKind::Folder;
        let shelves = self.kept.iter_mut().zip(&mut self.passed);
        let mut shelves =
            shelves.zip(lists.iter().zip(decisions)).filter_map(|(shelf, (rules, decision))| {
                match rules.ignores((*decision)?) {
                    false => Some(shelf.0),
                    true => is_folder.then_some(shelf.1),
                }
            });
        let last = shelves.next_back();
        shelves.for_each(|shelf| shelf.push(entry.clone()));
        if let Some(last) = last {
            last.push(entry);
        }
    }

    fn sort(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.sort_by(|a, b| a.path.cmp(&b.path)));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, (Vec<Found>, usize)> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a folder that the caller enters, or none once no more can come.
    fn next(&self) -> Option<Found> {
        let mut stack = self.lock();
        loop {
            if let Some(found) = stack.0.pop() {
                stack.1 += 1;
                return Some(found);
            }
            if stack.1 == 0 {
                return None;
            }
            stack = self.changed.wait(stack).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A folder that a thread is in.
struct Entered<'a>(&'a Shared);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.lock().1 -= 1;
        self.0.changed.notify_all();
    }
}

/// Returns what is kept, sorted: a folder that is left out itself is there all the same when something below it is.
fn with_folders(mut kept: Vec<Entry>, mut passed: Vec<Entry>) -> Vec<Entry> {
    if !passed.is_empty() {
        let mut needed: HashSet<&str> = HashSet::new();
        for entry in &kept {
            let folders = entry.path.rmatch_indices('/').map(|(end, _)| &entry.path[..end]);
            // Those above one that is known are known.
            folders.map_while(|folder| needed.insert(folder).then_some(())).for_each(drop);
        }
        passed.retain(|entry| needed.contains(entry.path.as_str()));
        kept.extend(passed);
    }
    // What comes from each thread is sorted already, which makes this short.
    kept.sort_by(|a, b| a.path.cmp(&b.path));
    kept
}

/// Returns the entry, and the folder itself, opened, if it is one.
fn enter(found: &Found) -> io::Result<(Entry, Option<OwnedFd>)> {
    let mut looks = 0;
    loop {
        match open_folder(&found.above, found.name.as_c_str()) {
            Ok(below) => {
                let stat = rustix::fs::fstat(&below)?;
                return Ok((entry_of(found.path.clone(), &stat, None), Some(below)));
            }
            // It was swapped for something else since it was listed, or the listing did not say what it is.
            Err(error) if not_a_folder(&error) && looks < MAX_LOOKS => looks += 1,
            Err(error) => return Err(error),
        }
        let entry = entry_at(&found.above, found.name.as_c_str(), found.path.clone())?;
        if entry.kind != EntryKind::Folder {
            return Ok((entry, None));
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests prepare real files")]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use proptest::prelude::*;

    use super::*;
    use crate::{Cancel, RunContext, World};

    fn walk_on(threads: usize, root: &Path, lists: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        let cx = RunContext::new(World::host("/"), "test").context(None, None, Cancel::new());
        let lists: Vec<IgnoreRules> =
            lists.iter().map(|list| IgnoreRules::new(list)).collect::<Result<_>>()?;
        Walk { cx: &cx, root, lists: &lists }.run(threads, 3)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

        #[test]
        fn one_pass_for_several_lists_is_as_one_for_each_on_any_count_of_threads(
            files in proptest::collection::vec("[a-c](-[ab])?(/[a-c](-[ab])?){0,3}", 0..40),
            lists in proptest::collection::vec(
                proptest::collection::vec("!?([a-c*]|[*][*])(/[a-c*]){0,2}", 0..4), 1..4),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            for (at, file) in files.iter().enumerate() {
                let place = folder.path().join(file);
                // What is a file already is no folder; so there are fewer.
                if fs::create_dir_all(place.parent().expect("above")).is_ok() {
                    let _ = if at % 5 == 4 { symlink("x", place) } else { fs::write(place, "") };
                }
            }
            let everything = walk_on(1, folder.path(), &[vec![]]).expect("walked").remove(0);
            let mut alone = Vec::new();
            for list in &lists {
                let entries = walk_on(1, folder.path(), std::slice::from_ref(list)).expect("walked").remove(0);
                let rules = IgnoreRules::new(list).expect("valid");
                let kept = |path: &str| !rules.is_ignored(path);
                // The plain meaning: what is not left out, and the folders above it.
                let expected: Vec<&Entry> = everything
                    .iter()
                    .filter(|entry| {
                        let below = format!("{}/", entry.path);
                        kept(&entry.path)
                            || everything.iter().any(|other| other.path.starts_with(&below) && kept(&other.path))
                    })
                    .collect();
                prop_assert_eq!(entries.iter().collect::<Vec<_>>(), expected);
                alone.push(entries);
            }
            for threads in [1, 2, 4] {
                prop_assert_eq!(&walk_on(threads, folder.path(), &lists).expect("walked"), &alone);
            }
        }
    }

    #[test]
    fn of_several_errors_it_is_the_first_paths_on_any_count_of_threads() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a", "b", "c", "d", "e", "f"] {
            fs::create_dir(folder.path().join(name)).expect("made");
            for at in 0..20 {
                fs::write(folder.path().join(name).join(at.to_string()), "").expect("written");
            }
        }
        for name in ["b", "c", "e"] {
            let odd = std::os::unix::ffi::OsStringExt::from_vec(b"odd\xff".to_vec());
            fs::write(folder.path().join(name).join::<std::ffi::OsString>(odd), "").expect("written");
        }
        for threads in [1, 2, 3, 4] {
            for _ in 0..20 {
                let error =
                    walk_on(threads, folder.path(), &[vec![], vec!["b".to_owned()]]).expect_err("odd");
                assert!(error.to_string().contains("/b/odd"), "{error}");
            }
        }
    }

    #[test]
    fn a_panic_in_one_thread_is_a_panic_of_the_walk_and_nobody_waits() {
        #[derive(Debug)]
        struct Broken(std::sync::atomic::AtomicUsize);
        #[async_trait::async_trait]
        impl crate::Clock for Broken {
            fn now(&self) -> crate::Timestamp {
                crate::Timestamp(0)
            }
            fn elapsed(&self) -> std::time::Duration {
                let call = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                assert_ne!(call, 30, "the clock is broken, once");
                std::time::Duration::ZERO
            }
            async fn sleep(&self, _: std::time::Duration) {}
        }
        let folder = tempfile::tempdir().expect("a folder");
        for at in 0..100 {
            fs::create_dir(folder.path().join(at.to_string())).expect("made");
        }
        let root = folder.path().to_owned();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let world = World::host("/").clock(Broken(<_>::default()));
            let deadline = Some(std::time::Duration::from_secs(1));
            let cx = RunContext::new(world, "test").context(None, deadline, Cancel::new());
            let lists = [IgnoreRules::new(&[]).expect("valid")];
            let walk = || Walk { cx: &cx, root: &root, lists: &lists }.run(4, 3).map(|_| ());
            send.send(std::panic::catch_unwind(std::panic::AssertUnwindSafe(walk)).is_err())
        });
        assert!(receive.recv_timeout(std::time::Duration::from_secs(30)).expect("nobody waits"));
    }
}
