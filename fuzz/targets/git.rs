//! A git server: what it advertises, and what it sends.

use std::path::Path;

use shipway::{
    ErrorKind, World,
    git::{Remote, Repository},
};
use tempfile::TempDir;

use super::{
    server::{Answer, Server},
    world::{block_on, context},
};

struct Clone {
    server: Server,
    remote: Remote,
    repository: Repository,
    folder: TempDir,
}

thread_local! {
    static CLONE: Clone = block_on(async {
        let server = Server::start();
        let folder = tempfile::tempdir().expect("a folder");
        let cx = context(World::host(folder.path()));
        let repository = Repository::open_or_create(&cx, Path::new("clone")).expect("made");
        let remote = Remote::new(&format!("http://{}/app.git", server.host()), true).expect("a URL");
        Clone { server, remote, repository, folder }
    });
}

/// A server that says anything is believed only what it can prove. What comes before a line `--pack--` is its list of
/// branches, and what comes after it is the answer to a fetch.
pub(crate) fn fetch(data: &[u8]) {
    const BETWEEN: &[u8] = b"\n--pack--\n";
    let cut = data.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN);
    let (list, pack) = cut.map_or((data, &[][..]), |at| (&data[..at], &data[at + BETWEEN.len()..]));
    let kind = |kind: &str| format!("content-type: application/x-git-upload-pack-{kind}\r\n");
    let list = Answer { status: 200, headers: kind("advertisement").into(), body: list.to_owned() };
    let pack = Answer { status: 200, headers: kind("result").into(), body: pack.to_owned() };
    CLONE.with(|clone| {
        clone.server.answers(move |method, _| if method == "GET" { list.clone() } else { pack.clone() });
        let cx = context(World::host(clone.folder.path()));
        match block_on(clone.remote.fetch(&cx, &clone.repository, "main")) {
            Ok(Some(tip)) => {
                clone.repository.tree(tip, b"").expect("the commit that was fetched has a tree");
            }
            Ok(None) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::BadOutput, "{error}"),
        }
    });
}
