//! A repository elsewhere, over HTTP or ssh: its branches, what is new on them, and ours onto them.

mod http;
mod line;
mod pack;
mod ssh;

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use gix::{
    ObjectId as Id,
    refs::{
        FullName,
        transaction::{PreviousValue, RefEdit},
    },
};
use reqwest::Url;
use shipway_core::{Context, Error, ErrorKind, Result};

use self::{
    http::Question,
    line::{Packet, Packets},
};
use crate::{NewCommit, ObjectId, Repository, branch, checkout::full, failure::failed};

/// A list of branches that is longer is not one of deployments.
const MAX_LIST: usize = 16 * 1024 * 1024;
/// What is fetched at once is held in memory.
const MAX_PACK: usize = 256 * 1024 * 1024;
const MAX_REPORT: usize = 1024 * 1024;

/// How long somebody else's commit is given to be seen everywhere.
const PAUSE: Duration = Duration::from_millis(20);

const FETCH: &str = "git-upload-pack";
const PUSH: &str = "git-receive-pack";

/// A repository on a git server.
///
/// Over HTTP the login is the one that the context's credentials have for exactly its host, and a redirect is an
/// error. Over ssh the program `git` is run, which logs in as `ssh` does on this machine. No hook of ours is run,
/// and no submodule is followed.
///
/// ```
/// use shipway_git::Remote;
///
/// let remote = Remote::new("https://git.example.com/team/environment.git", false)?;
/// assert!(Remote::new("http://git.example.com/team/environment.git", false).is_err());
/// assert!(Remote::new("ext::sh -c id", true).is_err());
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Remote(Place);

#[derive(Clone, Debug)]
enum Place {
    Http(Server),
    Ssh(String),
}

/// A git server that speaks HTTP.
#[derive(Clone, Debug)]
struct Server {
    url: Url,
    client: reqwest::Client,
}

impl Remote {
    /// Returns the repository at a URL: `https`, `ssh` (also as `user@host:path`), or `http` where that is
    /// allowed.
    ///
    /// # Errors
    /// `Config` for another kind of URL, and for one with a password in it.
    pub fn new(url: &str, allow_http: bool) -> Result<Self> {
        let refused = |why: &str| Err(Error::config(format!("cannot use this git URL: {why}")));
        if ssh::is_place(url) {
            return ssh::check(url).map_or_else(refused, |()| Ok(Self(Place::Ssh(url.to_owned()))));
        }
        // What cannot be read may hold a password, so it is not shown.
        let Ok(mut parsed) = Url::parse(url) else { return refused("it is not a URL") };
        match parsed.scheme() {
            "https" => {}
            "http" if allow_http => {}
            "http" => {
                return refused("`http` is not allowed here; everybody on the way can change what it says");
            }
            scheme => {
                return refused(&format!(
                    "its scheme is `{}`, and only `https` and `ssh` are spoken",
                    line::said(scheme.as_bytes())
                ));
            }
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return refused("there is a login in it; hand it over as a credential of its host");
        }
        parsed.set_query(None);
        parsed.set_fragment(None);
        let path = parsed.path().trim_end_matches('/').to_owned();
        parsed.set_path(&path);
        let client = http::client(parsed.scheme() == "https")?;
        Ok(Self(Place::Http(Server { url: parsed, client })))
    }

    /// Returns where a branch of the remote is, and brings what is new on it into the repository, where
    /// `refs/remotes/origin/` then has it; none when there is no such branch.
    ///
    /// # Errors
    /// `Auth`, `NotFound` or `Unavailable` as the server says; `BadOutput` when it does not speak git's
    /// protocol, or sends too much or something broken.
    pub async fn fetch(&self, cx: &Context, into: &Repository, branch: &str) -> Result<Option<ObjectId>> {
        let name = branch::full_name(branch)?.as_bstr().to_string();
        let tip = match &self.0 {
            Place::Http(server) => {
                let Some(tip) = server.branches(cx, FETCH).await?.remove(&name) else { return Ok(None) };
                server.fetch(cx, into, tip).await?;
                tip
            }
            Place::Ssh(url) => {
                let Some(tip) = ssh::tip(cx, url, &name).await? else { return Ok(None) };
                // It may move on meanwhile; what was fetched is what counts.
                ssh::fetch(cx, url, into, &name, &tracking(branch)).await?;
                let into = into.clone();
                let fetched = tracking(branch);
                cx.blocking(move |_| into.reference(&fetched)).await?.ok_or_else(|| {
                    Error::bad_output(format!("`{url}` has `{tip}`, and git did not fetch it"))
                })?
            }
        };
        let (into, branch) = (into.clone(), branch.to_owned());
        cx.blocking(move |_| into.track(&branch, tip)).await?;
        Ok(Some(ObjectId(tip)))
    }

    /// Returns the commit that a name stands for, and brings it into the repository: a branch, or a tag, or a commit
    /// by its full name, where the server gives it away; none when the remote has nothing of the name.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub async fn fetch_commit(
        &self,
        cx: &Context,
        into: &Repository,
        name: &str,
    ) -> Result<Option<ObjectId>> {
        if let Some(commit) = self.fetch(cx, into, name).await? {
            return Ok(Some(commit));
        }
        let tag = format!("refs/tags/{name}");
        let tip = match &self.0 {
            Place::Http(server) => {
                let tag = server.branches(cx, FETCH).await?.remove(&tag);
                let Some(tip) = tag.or_else(|| full(name)) else { return Ok(None) };
                server.fetch(cx, into, tip).await?;
                tip
            }
            Place::Ssh(url) => {
                let wanted = match ssh::tip(cx, url, &tag).await? {
                    Some(_) => tag,
                    None if full(name).is_some() => name.to_owned(),
                    None => return Ok(None),
                };
                let fetched = tracking(&format!("tags/{name}"));
                ssh::fetch(cx, url, into, &wanted, &fetched).await?;
                let into = into.clone();
                cx.blocking(move |_| into.reference(&fetched)).await?.ok_or_else(broken)?
            }
        };
        let into = into.clone();
        cx.blocking(move |_| into.peeled(tip)).await.map(Some)
    }

    /// Moves a branch of the remote from one commit to another, whose objects are sent; from none makes it.
    ///
    /// # Errors
    /// `Conflict` when the branch is not at `from` any more; `Auth` when the server refuses it; else as
    /// [`Self::fetch`]. After `Unavailable` it is not known whether it moved.
    pub async fn push(
        &self,
        cx: &Context,
        of: &Repository,
        branch: &str,
        from: Option<ObjectId>,
        to: ObjectId,
    ) -> Result<()> {
        let name = branch::full_name(branch)?.as_bstr().to_string();
        let moved = || {
            Error::conflict(format!("branch `{branch}` of `{}` moved meanwhile", self.name()))
                .hint("fetch what it is now, and try again")
        };
        if self.tip(cx, &name).await? != from {
            return Err(moved());
        }
        let pushed = match &self.0 {
            Place::Http(server) => server.push(cx, of, &name, from, to).await,
            Place::Ssh(url) => ssh::push(cx, url, of, &name, from, to).await,
        };
        match pushed {
            // Whatever words it has for it: the branch is elsewhere.
            Err(error) if error.kind() == ErrorKind::Auth && self.tip(cx, &name).await? != from => {
                Err(moved())
            }
            pushed => pushed,
        }
    }

    /// Commits onto a branch of the remote, as often as others are quicker: `make` says, from the commit that
    /// the branch is at, what the next is to be, or nothing when there is nothing to do.
    ///
    /// Returns the commit that the branch is at then. After an error that may be tried again, the commit may
    /// be there already: `make` looks whether it is, before it makes another.
    ///
    /// # Errors
    /// What `make` says, and those of [`Self::fetch`], [`Repository::commit`] and [`Self::push`] but for
    /// `Conflict`.
    pub async fn commit_onto(
        &self,
        cx: &Context,
        through: &Repository,
        branch: &str,
        mut make: impl FnMut(Option<ObjectId>) -> Result<Option<NewCommit>> + Send,
    ) -> Result<Option<ObjectId>> {
        loop {
            let parent = self.fetch(cx, through, branch).await?;
            let Some(new) = make(parent)? else { return Ok(parent) };
            let ours = through.clone();
            let commit = cx.blocking(move |_| ours.commit(parent, &new)).await?;
            match self.push(cx, through, branch, parent, commit).await {
                // A server whose parts do not agree yet, where the branch is, gets time to.
                Err(error) if error.kind() == ErrorKind::Conflict => cx.clock().sleep(PAUSE).await,
                pushed => return pushed.map(|()| Some(commit)),
            }
        }
    }

    /// Returns where a branch is, by its full name.
    async fn tip(&self, cx: &Context, name: &str) -> Result<Option<ObjectId>> {
        match &self.0 {
            Place::Http(server) => Ok(server.branches(cx, PUSH).await?.get(name).copied().map(ObjectId)),
            Place::Ssh(url) => {
                let tip = ssh::tip(cx, url, name).await?;
                let read = |tip: String| Id::from_hex(tip.as_bytes()).map(ObjectId).map_err(|_| broken());
                tip.map(read).transpose()
            }
        }
    }

    fn name(&self) -> &str {
        match &self.0 {
            Place::Http(server) => server.url.as_str(),
            Place::Ssh(url) => url,
        }
    }
}

/// Returns the full name under which we keep where a branch of a remote was.
fn tracking(branch: &str) -> String {
    format!("refs/remotes/origin/{branch}")
}

/// Says that work on another thread is to stop, when nobody waits for it any more.
#[derive(Debug, Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Server {
    /// Brings what a commit has and the repository has not into it.
    async fn fetch(&self, cx: &Context, into: &Repository, tip: Id) -> Result<()> {
        let known = cx.blocking({
            let into = into.clone();
            move |_| into.known(tip)
        });
        let Some(known) = known.await? else { return Ok(()) };
        let mut body = Vec::new();
        line::write(&mut body, format!("want {tip} ofs-delta side-band-64k\n").as_bytes());
        // What lies below is not here, though what lies above is.
        for id in known.shallow {
            line::write(&mut body, format!("shallow {id}\n").as_bytes());
        }
        line::flush(&mut body);
        for id in known.tips {
            line::write(&mut body, format!("have {id}\n").as_bytes());
        }
        line::write(&mut body, b"done\n");
        let answer = self.ask(cx, FETCH, body, MAX_PACK).await?;
        let pack = unpacked(&answer)?;
        // A small pack may stand for so much that it takes hours to read: whoever must stop, stops it too.
        let stop = Stop::default();
        let (into, stopped) = (into.clone(), Arc::clone(&stop.0));
        let mut taken = pin!(cx.blocking(move |cx| into.take_in(cx, &pack, &stopped)));
        tokio::select! {
            taken = &mut taken => taken,
            error = cx.stopped() => {
                drop(stop);
                // So that nothing half read is left.
                let _ = taken.await;
                Err(error)
            }
        }
    }

    async fn push(
        &self,
        cx: &Context,
        of: &Repository,
        name: &str,
        from: Option<ObjectId>,
        to: ObjectId,
    ) -> Result<()> {
        let old = from.map_or(Id::null(gix::hash::Kind::Sha1), |from| from.0);
        let pack = cx.blocking({
            let of = of.clone();
            move |cx| of.pack(cx, from, to)
        });
        let mut body = Vec::new();
        // The old name makes it a compare-and-swap on the server.
        line::write(&mut body, format!("{old} {to} {name}\0report-status").as_bytes());
        line::flush(&mut body);
        body.extend(pack.await?);
        accepted(&self.ask(cx, PUSH, body, MAX_REPORT).await?, name)
    }

    /// Returns where the remote's references are, by their full names.
    async fn branches(&self, cx: &Context, service: &str) -> Result<BTreeMap<String, Id>> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/info/refs", self.url.path()));
        url.set_query(Some(&format!("service={service}")));
        let question = Question { url, service, body: None, limit: MAX_LIST };
        listed(&http::ask(cx, &self.client, question).await?, service)
    }

    async fn ask(&self, cx: &Context, service: &str, body: Vec<u8>, limit: usize) -> Result<Vec<u8>> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{service}", self.url.path()));
        http::ask(cx, &self.client, Question { url, service, body: Some(body), limit }).await
    }
}

fn broken() -> Error {
    Error::bad_output("the git server sent something else than git's protocol")
}

/// Reads an advertisement: `# service=…`, a flush, then a line a reference, the first with capabilities.
fn listed(answer: &[u8], service: &str) -> Result<BTreeMap<String, Id>> {
    let mut packets = Packets(answer);
    let announced = format!("# service={service}\n");
    if packets.next()? != Some(Packet::Data(announced.as_bytes())) || packets.next()? != Some(Packet::Flush) {
        return Err(broken());
    }
    let mut branches = BTreeMap::new();
    while let Some(Packet::Data(line)) = packets.next()? {
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|_| broken())?.trim_end_matches('\n');
        if let Some(said) = line.strip_prefix("ERR ") {
            return Err(Error::bad_output(format!("the git server says `{}`", line::said(said.as_bytes()))));
        }
        let (id, name) = line.split_once(' ').ok_or_else(broken)?;
        let id = Id::from_hex(id.as_bytes()).map_err(|_| broken())?;
        // An empty repository has but capabilities to show.
        if !id.is_null() {
            branches.insert(name.to_owned(), id);
        }
    }
    Ok(branches)
}

/// Reads the answer to a fetch: what is known to both, and then the pack, beside progress and errors.
fn unpacked(answer: &[u8]) -> Result<Vec<u8>> {
    let mut packets = Packets(answer);
    let mut pack = Vec::new();
    while let Some(packet) = packets.next()? {
        let Packet::Data(data) = packet else { continue };
        match data.split_first() {
            Some((1, part)) => pack.extend_from_slice(part),
            Some((2, _progress)) => {}
            Some((3, said)) => {
                return Err(Error::bad_output(format!("the git server says `{}`", line::said(said))));
            }
            _ if data.starts_with(b"NAK") || data.starts_with(b"ACK ") => {}
            _ if data.starts_with(b"ERR ") => {
                return Err(Error::bad_output(format!("the git server says `{}`", line::said(&data[4..]))));
            }
            _ => return Err(broken()),
        }
    }
    if pack.is_empty() { Err(broken()) } else { Ok(pack) }
}

/// Reads a report of a push: `unpack ok`, then `ok NAME` or `ng NAME REASON`.
fn accepted(report: &[u8], name: &str) -> Result<()> {
    let mut packets = Packets(report);
    let mut moved = false;
    while let Some(Packet::Data(line)) = packets.next()? {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let refused =
            line.strip_prefix(b"ng ").or_else(|| line.strip_prefix(b"unpack ").filter(|said| *said != b"ok"));
        if let Some(said) = refused {
            return Err(Error::new(
                ErrorKind::Auth,
                format!("the git server refuses `{}`", line::said(said)),
            )
            .hint("see whether the branch is protected, and what the server's hooks want"));
        }
        moved |= line == format!("ok {name}").as_bytes();
    }
    if moved { Ok(()) } else { Err(broken()) }
}

/// What is here of a history.
struct Known {
    tips: Vec<Id>,
    /// The commits whose parents are not here, as after `git clone --depth`.
    shallow: Vec<Id>,
}

impl Repository {
    /// Returns what a server may know as well, when the wanted commit is not here.
    fn known(&self, wanted: Id) -> Result<Option<Known>> {
        let repository = self.inner.to_thread_local();
        if repository.has_object(wanted) {
            return Ok(None);
        }
        let references = repository.references().map_err(|error| self.unreadable("the branches", error))?;
        let all = references.all().map_err(|error| self.unreadable("the branches", error))?;
        let tips = all
            .filter_map(std::result::Result::ok)
            .filter_map(|mut tip| Some(tip.peel_to_id().ok()?.detach()));
        let shallow =
            repository.shallow_commits().map_err(|error| self.unreadable("the shallow end", error))?;
        let shallow = shallow.iter().flat_map(|commits| commits.iter().copied()).collect();
        Ok(Some(Known { tips: tips.take(256).collect(), shallow }))
    }

    /// Takes a pack in, after every object in it was read.
    fn take_in(&self, cx: &Context, pack: &[u8], stop: &AtomicBool) -> Result<()> {
        let repository = self.inner.to_thread_local();
        let folder = repository.objects.store_ref().path().join("pack");
        let broken = |error| failed(ErrorKind::BadOutput, "take what was fetched into", self.folder(), error);
        let outcome = gix::odb::pack::Bundle::write_to_directory(
            &mut &*pack,
            Some(&folder),
            &mut gix::progress::Discard,
            stop,
            Some(repository.objects.clone()),
            repository.object_hash(),
            gix::odb::pack::bundle::write::Options {
                alloc_limit_bytes: Some(MAX_PACK),
                ..gix::odb::pack::bundle::write::Options::default()
            },
        )
        .map_err(broken)?;
        if let Some(keep) = outcome.keep_path {
            cx.disk().remove(&keep).map_err(|error| Error::io("remove", &keep, error))?;
        }
        Ok(())
    }

    /// Returns where a reference is, by its full name.
    fn reference(&self, name: &str) -> Result<Option<Id>> {
        let repository = self.inner.to_thread_local();
        let found = repository.try_find_reference(name);
        let found = found.map_err(|error| self.unreadable("a branch", error))?;
        Ok(found.and_then(|found| Some(found.try_id()?.detach())))
    }

    fn track(&self, branch: &str, tip: Id) -> Result<()> {
        let repository = self.inner.to_thread_local();
        // A server may name a commit that it does not send.
        let commit =
            repository.find_commit(tip).map_err(|error| self.unreadable("what was fetched into", error))?;
        let committer = commit.committer().map_err(|error| self.unreadable("a commit", error))?;
        let name = FullName::try_from(tracking(branch));
        let name =
            name.map_err(|error| failed(ErrorKind::Config, "track a branch in", self.folder(), error))?;
        let edit = RefEdit::update(name, tip, PreviousValue::Any, "shipway");
        let edited = repository.edit_references_as(Some(edit), Some(committer));
        let busy =
            |error| failed(ErrorKind::Unavailable, "track a branch in", self.folder(), error).retry(true);
        edited.map(drop).map_err(busy)
    }
}
