//! Files that a build may ask for, by fsutil's protocol (tonistiigi/fsutil, receive.go): all are told of in
//! order, and the content of those follows that the other side does not have already.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::Read,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use shipway_core::{Context, Entry, EntryKind, Error, Result};
use tokio::sync::mpsc;

use super::{
    grpc::{Broken, Messages, Outlet, Status, code},
    messages::{Packet, PacketKind, Stat},
};

/// The bytes of a file in one message.
const PIECE: usize = 128 * 1024;

/// How many files are read by one turn on a thread.
const TURN: usize = 64;

/// How long ago a file must have changed last, in nanoseconds, for how it looks to say what it holds.
const REST: i128 = 3_000_000_000;

/// Go's `os.FileMode`.
const FOLDER: u32 = 1 << 31;
const LINK: u32 = 1 << 27;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
const STICKY: u32 = 1 << 20;

/// Files that a build may ask for, by the name that the build knows them by: exactly these, of the owner 0 and
/// of the year 1970, so that the same files are the same layers.
///
/// What the other side has of an earlier build is not sent again. It compares sizes and times; so the time has
/// nanoseconds that follow from how a file looks here, which no layer keeps.
#[derive(Clone)]
pub struct SharedFolder {
    cx: Context,
    root: PathBuf,
    files: Arc<Vec<Shared>>,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug)]
struct Shared {
    stat: Stat,
    content: Content,
}

#[derive(Debug)]
enum Content {
    None,
    Made(Bytes),
    /// A file, as it was when it was listed.
    File(Entry),
}

#[derive(Debug, Default)]
struct Told {
    sent: Sent,
    failure: Option<Error>,
}

/// How much was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// How many files were asked for.
    pub files: u64,
    /// The bytes of their content.
    pub bytes: u64,
}

impl fmt::Debug for SharedFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedFolder").field("root", &self.root).field("files", &self.files.len()).finish()
    }
}

impl SharedFolder {
    /// Returns what was listed below a folder of the sources, with the texts that are made here and not read,
    /// by path. A folder above what is listed need not be.
    ///
    /// # Errors
    /// `Config` for a FIFO, a socket or a device.
    pub fn new(
        cx: &Context,
        root: impl Into<PathBuf>,
        entries: Vec<Entry>,
        made: BTreeMap<String, String>,
    ) -> Result<Self> {
        let root = root.into();
        let mut files = Vec::new();
        for (path, text) in made {
            let content = Bytes::from(text);
            let stat = Stat {
                mode: 0o644,
                size: content.len() as i64,
                modified: nanoseconds(&[&content]),
                path,
                ..Stat::default()
            };
            files.push(Shared { stat, content: Content::Made(content) });
        }
        for entry in entries {
            files.push(shared(cx, entry).map_err(|path| {
                let place = cx.path(&root).join(path);
                Error::config(format!("`{}` is a FIFO, a socket or a device", place.display()))
                    .hint("remove it, or leave it out with an ignore rule")
            })?);
        }
        let there: BTreeSet<String> = files.iter().map(|file| file.stat.path.clone()).collect();
        let above: BTreeSet<String> = there.iter().flat_map(|path| folders_above(path)).collect();
        for path in above.difference(&there) {
            let stat = Stat { path: path.clone(), mode: FOLDER | 0o755, ..Stat::default() };
            files.push(Shared { stat, content: Content::None });
        }
        files.sort_by(|one, other| by_steps(&one.stat.path, &other.stat.path));
        files.dedup_by(|later, earlier| later.stat.path == earlier.stat.path);
        Ok(Self { cx: cx.clone(), root, files: Arc::new(files), told: Arc::default() })
    }

    /// Returns how many there are, folders apart.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.iter().filter(|file| file.stat.mode & FOLDER == 0).count()
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how much was sent until now, for whomever.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.told().sent
    }

    /// Takes what went wrong with reading the files, which is why a build failed then.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.told().failure.take()
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one transfer. `followed` are the paths that are asked for, all when there are none.
    pub(crate) async fn transfer(&self, followed: &[String], asked: Messages, out: &Outlet) -> Status {
        let files: Vec<usize> = (0..self.files.len()).filter(|at| self.is_followed(*at, followed)).collect();
        let files = Arc::new(files);
        let (queue, mut queued) = mpsc::unbounded_channel();
        let stats = async {
            for at in files.iter() {
                let stat = Some(self.files[*at].stat.clone());
                if !out.put(&Packet { stat, ..Packet::default() }).await {
                    break;
                }
            }
            out.put(&Packet::default()).await;
        };
        let contents = async {
            let mut turn = Vec::new();
            while queued.recv_many(&mut turn, TURN).await > 0 {
                self.send(std::mem::take(&mut turn), out).await?;
            }
            Ok(())
        };
        let writing = async { tokio::join!(stats, contents).1 };
        tokio::select! {
            ended = self.requests(&files, asked, queue) => match ended {
                Ok(()) => {
                    out.put(&Packet { kind: PacketKind::Finish as i32, ..Packet::default() }).await;
                    Status::ok()
                }
                Err(status) => status,
            },
            Err(error) = writing => {
                let text = "a file cannot be sent";
                self.told().failure.get_or_insert(error);
                let data = Bytes::from_static(text.as_bytes());
                out.put(&Packet { kind: PacketKind::Error as i32, data, ..Packet::default() }).await;
                Status::new(code::UNKNOWN, text)
            }
        }
    }

    /// Only an ignore file is ever asked for alone, and it comes before the rest (frontend/dockerui, config.go);
    /// of the rest everything is wanted, since it was chosen here.
    fn is_followed(&self, at: usize, followed: &[String]) -> bool {
        match followed {
            [one] if one == ".dockerignore" => self.files[at].stat.path == *one,
            _ => true,
        }
    }

    /// Takes the numbers of the files that are asked for, until all have come.
    async fn requests(
        &self,
        files: &[usize],
        mut asked: Messages,
        queue: mpsc::UnboundedSender<(u32, usize)>,
    ) -> std::result::Result<(), Status> {
        let mut known = BTreeSet::new();
        loop {
            let packet: Packet = match asked.next().await {
                Ok(Some(packet)) => packet,
                Ok(None) => return Err(Status::new(code::CANCELLED, "the transfer was left")),
                Err(Broken::Lost(error)) => return Err(Status::new(code::CANCELLED, error.to_string())),
                Err(Broken::Malformed) => {
                    return Err(Status::new(code::INVALID, "a message has a wrong form"));
                }
            };
            match PacketKind::try_from(packet.kind) {
                Ok(PacketKind::Request) => {
                    // Each once: what may wait here is bounded by the files that there are.
                    let at = files.get(packet.id as usize).filter(|_| known.insert(packet.id));
                    match at.filter(|at| !matches!(self.files[**at].content, Content::None)) {
                        Some(at) => drop(queue.send((packet.id, *at))),
                        None => return Err(Status::new(code::INVALID, "no such file")),
                    }
                }
                Ok(PacketKind::Finish) => return Ok(()),
                Ok(PacketKind::Error) => {
                    return Err(Status::new(code::UNKNOWN, "the receiver failed"));
                }
                _ => return Err(Status::new(code::INVALID, "a message has a wrong form")),
            }
        }
    }

    /// Sends the content of some files.
    async fn send(&self, turn: Vec<(u32, usize)>, out: &Outlet) -> Result<()> {
        let (this, out) = (self.clone(), out.clone());
        self.cx
            .blocking(move |cx| {
                for (id, at) in turn {
                    cx.check_stopped()?;
                    let put = |data| {
                        let kind = PacketKind::Data as i32;
                        out.put_blocking(&Packet { kind, id, data, stat: None })
                    };
                    let sent = this.send_one(cx, &this.files[at], &put)?;
                    // Before the other side knows that it has all of it.
                    {
                        let mut told = this.told();
                        told.sent.files += 1;
                        told.sent.bytes += sent;
                    }
                    if !put(Bytes::new()) {
                        return Err(left());
                    }
                }
                Ok(())
            })
            .await
    }

    /// Hands over a file piece by piece; an empty piece is to say that this was its end.
    fn send_one(&self, cx: &Context, file: &Shared, put: &dyn Fn(Bytes) -> bool) -> Result<u64> {
        let put = |data| if put(data) { Ok(()) } else { Err(left()) };
        let sent = match &file.content {
            Content::None => 0,
            Content::Made(content) => {
                for piece in content.chunks(PIECE) {
                    put(Bytes::copy_from_slice(piece))?;
                }
                content.len() as u64
            }
            Content::File(listed) => {
                let changed = || {
                    Error::conflict(format!("`{}` changed while it was sent", listed.path))
                        .hint("build again, when nothing writes to the sources")
                };
                let opened = cx.files().open(cx, &self.root, &listed.path)?;
                if opened.entry != *listed {
                    return Err(changed());
                }
                let place = cx.path(&self.root).join(&listed.path);
                let mut content = opened.reader.take(listed.size + 1);
                let mut sent = 0;
                loop {
                    let mut piece = vec![0; PIECE];
                    let failed = |error| Error::io("read", &place, error);
                    let count = content.read(&mut piece).map_err(failed)?;
                    if count == 0 {
                        break;
                    }
                    sent += count as u64;
                    if sent > listed.size {
                        return Err(changed());
                    }
                    piece.truncate(count);
                    put(piece.into())?;
                }
                // What was written over meanwhile has another time.
                if sent != listed.size
                    || cx.files().entry(cx, &self.root, &listed.path)?.as_ref() != Some(listed)
                {
                    return Err(changed());
                }
                sent
            }
        };
        Ok(sent)
    }
}

fn left() -> Error {
    Error::cancelled("the other side is gone")
}

/// Returns an entry as it is told of, or its path when it can be none.
fn shared(cx: &Context, entry: Entry) -> std::result::Result<Shared, String> {
    let mut stat = Stat { path: entry.path.clone(), mode: mode(&entry), ..Stat::default() };
    let looks = [entry.modified, entry.changed, i128::from(entry.inode)].map(i128::to_be_bytes);
    let content = match &entry.kind {
        EntryKind::Folder => Content::None,
        EntryKind::Link(text) => {
            stat.link.clone_from(text);
            stat.size = text.len() as i64;
            Content::None
        }
        EntryKind::File => {
            stat.size = i64::try_from(entry.size).unwrap_or(i64::MAX);
            let unlike = if has_rested(cx, &entry) { String::new() } else { crate::unlike(cx) };
            stat.modified = nanoseconds(&[&looks[0], &looks[1], &looks[2], unlike.as_bytes()]);
            Content::File(entry)
        }
        _ => return Err(entry.path),
    };
    Ok(Shared { stat, content })
}

/// Returns whether a change of the file would show in how it looks: what was written within the same tick of
/// the clock does not, which git calls racily clean. One without times says nothing at all.
fn has_rested(cx: &Context, entry: &Entry) -> bool {
    let now = i128::from(cx.clock().now().0) * 1_000_000;
    entry.changed != 0 && now - entry.changed >= REST
}

/// Returns a time within the first second of 1970 that follows from these parts. What makes layers leaves out
/// all below a second (containerd, pkg/archive/tar.go).
fn nanoseconds(parts: &[&[u8]]) -> i64 {
    let hash = shipway_oci::digest_of(&parts.join(&b'\0'));
    let number = u64::from_str_radix(&hash.hex()[..15], 16).unwrap_or_default();
    (number % 1_000_000_000) as i64
}

/// Returns the mode as Go writes it.
fn mode(entry: &Entry) -> u32 {
    let kind = match entry.kind {
        EntryKind::Folder => FOLDER,
        EntryKind::Link(_) => return LINK | 0o777,
        _ => 0,
    };
    let special = [(0o4000, SETUID), (0o2000, SETGID), (0o1000, STICKY)];
    let special = special.iter().filter(|(bit, _)| entry.mode & bit != 0).map(|(_, go)| go).sum::<u32>();
    kind | special | entry.mode & 0o777
}

/// Orders paths step by step, as the receiver demands (fsutil, validator.go): what is in a folder comes before
/// what only begins like it.
fn by_steps(one: &str, other: &str) -> Ordering {
    one.split('/').cmp(other.split('/'))
}

fn folders_above(path: &str) -> impl Iterator<Item = String> {
    path.match_indices('/').map(|(end, _)| path[..end].to_owned()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shipway_core::{Cancel, RunContext, World};

    use super::*;

    fn folder(paths: &[(&str, EntryKind)]) -> Result<SharedFolder> {
        let cx = RunContext::new(World::host("/"), "files").context(None, None, Cancel::new());
        let entries = paths.iter().map(|(path, kind)| Entry::new(*path, kind.clone())).collect();
        SharedFolder::new(
            &cx,
            "/",
            entries,
            BTreeMap::from([("build/Dockerfile".to_owned(), "FROM a".to_owned())]),
        )
    }

    fn told(folder: &SharedFolder) -> Vec<&str> {
        folder.files.iter().map(|file| file.stat.path.as_str()).collect()
    }

    /// fsutil's `Validator`: each folder comes before what is in it, and names in a folder ascend.
    fn is_in_order(paths: &[&str]) -> bool {
        let mut last: BTreeMap<String, String> = BTreeMap::from([(String::new(), String::new())]);
        let mut open: Vec<String> = vec![String::new()];
        paths.iter().all(|path| {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            while open.last().is_some_and(|folder| folder != above) {
                open.pop();
            }
            let ascends = last.get(above).is_some_and(|last| last.as_str() < name);
            last.insert(above.to_owned(), name.to_owned());
            last.insert((*path).to_owned(), String::new());
            let known = !open.is_empty();
            open.push((*path).to_owned());
            known && ascends
        })
    }

    #[test]
    fn files_are_told_of_in_the_receivers_order_with_their_folders() {
        let folder = folder(&[
            ("a-b", EntryKind::File),
            ("a/c", EntryKind::File),
            ("a", EntryKind::Folder),
            ("a.b", EntryKind::File),
            ("x/y/z", EntryKind::Link("../w".to_owned())),
        ])
        .unwrap();
        let paths = ["a", "a/c", "a-b", "a.b", "build", "build/Dockerfile", "x", "x/y", "x/y/z"];
        assert_eq!(told(&folder), paths);
        assert_eq!(folder.len(), 5);
        let link = &folder.files[8].stat;
        assert_eq!((link.mode, link.link.as_str(), link.size), (LINK | 0o777, "../w", 4));
        assert_eq!(folder.files[6].stat.mode, FOLDER | 0o755);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let error = folder(&[("pipe", EntryKind::Special)]).unwrap_err();
        assert!(error.to_string().contains("/pipe"), "{error:?}");
    }

    #[test]
    fn modes_are_gos() {
        let of = |bits: u32, kind: EntryKind| {
            let mut entry = Entry::new("a", kind);
            entry.mode = bits;
            mode(&entry)
        };
        assert_eq!(of(0o644, EntryKind::File), 0o644);
        assert_eq!(of(0o6755, EntryKind::File), SETUID | SETGID | 0o755);
        assert_eq!(of(0o1777, EntryKind::Folder), FOLDER | STICKY | 0o777);
    }

    #[test]
    fn a_file_that_looks_other_has_another_time_of_the_first_second() {
        let of = |modified: i128, changed: i128, inode: u64| {
            let cx = RunContext::new(World::host("/"), "files").context(None, None, Cancel::new());
            let mut entry = Entry::new("a", EntryKind::File);
            (entry.modified, entry.changed, entry.inode) = (modified, changed, inode);
            shared(&cx, entry).unwrap().stat.modified
        };
        let times = [of(1, 2, 3), of(1, 2, 4), of(1, 3, 3), of(2, 2, 3)];
        assert_eq!(BTreeSet::from(times).len(), 4);
        assert_eq!(of(1, 2, 3), of(1, 2, 3));
        assert!(times.iter().all(|time| (0..1_000_000_000).contains(time)));
        assert_ne!(of(0, 0, 0), of(0, 0, 0), "nothing is known of it");
        let cx = RunContext::new(World::host("/"), "files").context(None, None, Cancel::new());
        let now = i128::from(cx.clock().now().0) * 1_000_000;
        assert_ne!(of(now, now, 3), of(now, now, 3), "it may change again and look the same");
    }

    proptest! {
        #[test]
        fn any_paths_are_in_order(paths in proptest::collection::btree_set("[a-c.-]{1,3}(/[a-c.-]{1,2}){0,3}", 0..30)) {
            let kept: Vec<&str> = paths.iter().map(String::as_str)
                .filter(|path| !path.split('/').any(|step| step == "." || step == ".."))
                .filter(|path| !paths.iter().any(|other| path.starts_with(&format!("{other}/"))))
                .collect();
            let entries: Vec<(&str, EntryKind)> = kept.iter().map(|path| (*path, EntryKind::File)).collect();
            prop_assert!(is_in_order(&told(&folder(&entries).unwrap())));
        }
    }
}
