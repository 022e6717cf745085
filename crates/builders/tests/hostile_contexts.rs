//! Contexts, archives and stages that try to get something from outside into an image, to write out of
//! their place, or to make the build hang: each is refused or harmless, and none takes long.
#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::disallowed_methods, reason = "tests prepare their sources and look at what came out")]
#![expect(clippy::print_stdout, reason = "the test says how many contexts it tried")]
#![expect(unreachable_pub, reason = "the tests share a module")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::{fs, os::unix::fs::symlink, process::Command, time::Duration};

use shipway_builders::NativeConfig;
use support::Bench;
use tar::{Builder, EntryType, Header};

const CANARY: &str = "canary-1f6b2a";

/// What comes of a context: a part of the error, or the lines of the files.
enum Outcome {
    Refused(&'static str),
    Files(&'static [&'static str]),
}

use Outcome::{Files, Refused};

/// A name, the Dockerfile, what is put into the context, and what comes of it.
type Hostile = (&'static str, &'static str, fn(&Bench), Outcome);

fn link(bench: &Bench, path: &str, text: &str) {
    symlink(text, bench.path(path)).unwrap();
}

fn outside(bench: &Bench, path: &str) {
    link(bench, path, &bench.root().join("outside").to_string_lossy());
}

fn fifo(bench: &Bench, path: &str) {
    assert!(Command::new("mkfifo").arg(bench.path(path)).status().unwrap().success());
}

/// An entry of an archive: its path, kind, the target of a link, and its content.
type Entry = (&'static str, EntryType, &'static str, &'static [u8]);

fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, kind, target, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        // Written by hand, since the writer refuses what is hostile.
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..path.len()].copy_from_slice(path.as_bytes());
        gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn archive(bench: &Bench, entries: &[Entry]) {
    fs::write(bench.path("x.tar"), tar_of(entries)).unwrap();
}

const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;
const ADD: &str = "FROM scratch\nADD x.tar /in/\n";
const STAGE: &str = "FROM scratch AS a\nCOPY . /\nFROM scratch\n";
const IN: &str = "0755 0:0 0 in/";

/// Dockerfiles that begin with [`STAGE`] and go on so.
const FROM_STAGE: [(&str, &str); 4] = [
    ("a stage's link out", "COPY --from=a /out/f /x"),
    ("a stage's link to a folder out", "COPY --from=a /out /x"),
    ("a stage's path up", "COPY --from=a /../../outside/f /x"),
    ("a stage's pattern through a link out", "COPY --from=a /out/* /x/"),
];

const CONTEXTS: &[Hostile] = &[
    ("an absolute path", "FROM scratch\nCOPY /etc/passwd /x\n", |_| {}, Refused("`etc/passwd` is not there")),
    ("a path up", "FROM scratch\nADD ../outside/f /x\n", |_| {}, Refused("leads out of the context")),
    (
        "a trigger's path up",
        "FROM scratch AS a\nONBUILD COPY ../outside/f /x\nFROM a\n",
        |_| {},
        Refused("leads out of the context"),
    ),
    (
        "a link to /proc",
        "FROM scratch\nCOPY env /x\n",
        |bench| link(bench, "env", "/proc/self/environ"),
        Refused("never out of the context"),
    ),
    (
        "parents through a link",
        "FROM scratch\nCOPY --parents out/f /x/\n",
        |bench| outside(bench, "out"),
        Files(&["0755 0:0 0 x/"]),
    ),
    (
        "parents from a link out",
        "FROM scratch\nCOPY --parents out/./f /x/\n",
        |bench| outside(bench, "out"),
        Refused("`out` is not there"),
    ),
    (
        "parents with a path up",
        "FROM scratch\nCOPY --parents ../outside/./f /x/\n",
        |_| {},
        Refused("leads out of the context"),
    ),
    (
        "parents with a pattern up",
        "FROM scratch\nCOPY --parents ./../../outside/* /x/\n",
        |_| {},
        Refused("leads out of the context"),
    ),
    (
        "a heredoc with a path up",
        "FROM scratch\nCOPY <<../../up /in/\nx\n../../up\n",
        |_| {},
        Files(&[IN, "0644 0:0 0 in/up = x"]),
    ),
    (
        "a heredoc that is a folder",
        "FROM scratch\nCOPY <<.. /in/\nx\n..\n",
        |_| {},
        Refused("cannot be the name of a here-document"),
    ),
    (
        "passwd is a link out",
        "FROM scratch\nCOPY etc /etc\nCOPY --chown=canary a /b\n",
        |bench| {
            fs::create_dir(bench.path("etc")).unwrap();
            link(bench, "etc/passwd", &bench.root().join("outside/passwd").to_string_lossy());
            fs::write(bench.path("a"), "a").unwrap();
        },
        Files(&["etc/passwd -> ", "0644 0:0 0 b = a"]),
    ),
    (
        "passwd is no text",
        "FROM scratch\nCOPY passwd /etc/\nCOPY --chown=a:b a /b\n",
        |bench| {
            fs::write(bench.path("passwd"), b"\xff\xfe\na:x:-5:99999999999999999999999\n:::::\n").unwrap();
            fs::write(bench.path("a"), "a").unwrap();
        },
        Files(&["0644 0:0 0 b = a"]),
    ),
    (
        "an archive's paths up",
        ADD,
        |bench| archive(bench, &[("../../../up", FILE, "", b"1"), ("/abs", FILE, "", b"2")]),
        Files(&[IN, "0644 0:0 0 in/abs = 2", "0644 0:0 0 in/up = 1"]),
    ),
    (
        "an archive that writes through its link",
        ADD,
        |bench| {
            let entries: &[Entry] = &[
                ("l", LINK, "/", b""),
                ("l/f", FILE, "", b"1"),
                ("m", LINK, "../..", b""),
                ("m/g", FILE, "", b"2"),
            ];
            archive(bench, entries);
        },
        Files(&["0644 0:0 0 in/f = 1", "0644 0:0 0 in/g = 2", "in/l -> /", "in/m -> ../.."]),
    ),
    (
        "an archive's hard link up",
        ADD,
        |bench| archive(bench, &[("h", HARD, "../../outside/f", b"")]),
        Refused("where no file is"),
    ),
    (
        "an archive's hard link to a folder",
        ADD,
        |bench| archive(bench, &[("d", EntryType::Directory, "", b""), ("h", HARD, "d", b"")]),
        Refused("where no file is"),
    ),
    (
        "an archive's hard link to itself",
        ADD,
        |bench| archive(bench, &[("h", FILE, "", b"1"), ("h", HARD, "h", b"")]),
        Files(&["0644 0:0 0 in/h = 1"]),
    ),
    (
        "an archive's circle of links",
        ADD,
        |bench| archive(bench, &[("l", LINK, "l", b""), ("l/f", FILE, "", b"1")]),
        Refused("leads through more than 40 links"),
    ),
    (
        "an archive's file below a file",
        ADD,
        |bench| archive(bench, &[("f", FILE, "", b"1"), ("f/g", FILE, "", b"2")]),
        Refused("nothing can be below it"),
    ),
    (
        "an archive's whiteout",
        ADD,
        |bench| archive(bench, &[("a", FILE, "", b""), (".wh.a", FILE, "", b"")]),
        Refused("`in/.wh.a` cannot be in an image"),
    ),
    ("an archive's FIFO", ADD, |bench| archive(bench, &[("p", EntryType::Fifo, "", b"")]), Files(&["in/p"])),
    (
        "an archive that ends early",
        ADD,
        |bench| {
            let tar = tar_of(&[("a", FILE, "", b"1"), ("b", FILE, "", &[7; 2000])]);
            fs::write(bench.path("x.tar"), &tar[..2100]).unwrap();
        },
        Refused("it is the archive `x.tar`"),
    ),
    (
        "an archive that says it is huge",
        ADD,
        |bench| {
            let mut tar = tar_of(&[("a", FILE, "", b"1"), ("b", FILE, "", b"2")]);
            let mut header = Header::from_byte_slice(&tar[1024..1536]).clone();
            header.set_size(1 << 62);
            header.set_cksum();
            tar[1024..1536].copy_from_slice(header.as_bytes());
            fs::write(bench.path("x.tar"), &tar).unwrap();
        },
        Refused("it is the archive `x.tar`"),
    ),
    (
        "an archive of an unknown kind",
        ADD,
        |bench| archive(bench, &[("a", FILE, "", b"1"), ("b", EntryType::new(b'Z'), "", b"")]),
        Refused("a tar entry of type `Z`"),
    ),
    (
        "bzip2",
        ADD,
        |bench| fs::write(bench.path("x.tar"), b"BZh91AY&SY").unwrap(),
        Refused("with bzip2, which is not read"),
    ),
    (
        "xz",
        ADD,
        |bench| fs::write(bench.path("x.tar"), b"\xfd7zXZ\0\0").unwrap(),
        Refused("with xz, which is not read"),
    ),
    (
        "no archive",
        ADD,
        |bench| fs::write(bench.path("x.tar"), "hello").unwrap(),
        Files(&[IN, "0644 0:0 0 in/x.tar = hello"]),
    ),
    (
        "an archive behind a link out",
        ADD,
        |bench| link(bench, "x.tar", "../outside/f"),
        Refused("never out of the context"),
    ),
    (
        "an archive that is a FIFO",
        ADD,
        |bench| fifo(bench, "x.tar"),
        Refused("is a FIFO, a socket or a device"),
    ),
    ("a FIFO by a pattern", "FROM scratch\nCOPY f* /x/\n", |bench| fifo(bench, "fifo"), Refused("is a FIFO")),
    (
        "a FIFO by its parents",
        "FROM scratch\nCOPY --parents d/f /x/\n",
        |bench| {
            fs::create_dir(bench.path("d")).unwrap();
            fifo(bench, "d/f");
        },
        Refused("is a FIFO"),
    ),
    (
        "a FIFO left out",
        "FROM scratch\nCOPY --exclude=f d /x/\n",
        |bench| {
            fs::create_dir(bench.path("d")).unwrap();
            fifo(bench, "d/f");
        },
        Files(&["0755 0:0 0 x/"]),
    ),
    (
        "an ignore file that is a FIFO",
        "FROM scratch\n",
        |bench| fifo(bench, ".dockerignore"),
        Refused("is not a regular file"),
    ),
    (
        "an ignore file that is a link out",
        "FROM scratch\n",
        |bench| link(bench, "Dockerfile.dockerignore", "../outside/f"),
        Refused("is not a regular file"),
    ),
    (
        "folders without end",
        "FROM scratch\nCOPY d /d\n",
        |bench| {
            let mut folder = bench.path("d");
            for _ in 0..300 {
                fs::create_dir(&folder).unwrap();
                folder.push("d");
            }
        },
        Refused("folders are nested more than 256 deep"),
    ),
    (
        "a circle of stage links",
        "FROM scratch AS a\nCOPY . /\nFROM scratch\nCOPY --from=a /one/x /x\n",
        |bench| {
            link(bench, "one", "two");
            link(bench, "two", "one");
        },
        Refused("leads through more than 40 links"),
    ),
];

async fn check(name: &str, dockerfile: &str, prepare: impl FnOnce(&Bench), outcome: &Outcome) {
    let bench = Bench::new().dockerfile(dockerfile);
    fs::create_dir(bench.root().join("outside")).unwrap();
    fs::write(bench.root().join("outside/f"), CANARY).unwrap();
    fs::write(bench.root().join("outside/passwd"), format!("canary:x:77:77:{CANARY}\n")).unwrap();
    prepare(&bench);
    let build = bench.build(NativeConfig::default());
    let built = tokio::time::timeout(Duration::from_secs(60), build).await;
    match (built.unwrap_or_else(|_| panic!("{name}: it hangs")), outcome) {
        (Err(error), Refused(part)) => {
            let report = error.report().to_string();
            assert!(report.contains(part) && !report.contains(CANARY), "{name}: {report}");
        }
        (Ok(image), Files(lines)) => {
            let look = bench.look(&image).await;
            assert!(!String::from_utf8_lossy(&look.all_bytes()).contains(CANARY), "{name}");
            for line in *lines {
                assert!(look.files().contains(line), "{name}: no `{line}` in\n{}", look.files());
            }
            assert!(!lines.is_empty() || look.files().is_empty(), "{name}: {}", look.files());
        }
        (Ok(image), Refused(_)) => panic!("{name}: built\n{}", bench.look(&image).await.files()),
        (Err(error), Files(_)) => panic!("{name}: {}", error.report()),
    }
}

#[tokio::test]
async fn hostile_contexts_are_refused_or_harmless() {
    for (name, dockerfile, prepare, outcome) in CONTEXTS {
        check(name, dockerfile, prepare, outcome).await;
    }
    for (name, copy) in FROM_STAGE {
        let refused = Refused("is not there");
        check(name, &format!("{STAGE}{copy}\n"), |bench| outside(bench, "out"), &refused).await;
    }
    let count = CONTEXTS.len() + FROM_STAGE.len();
    println!("{count} hostile contexts, 0 bytes from outside");
    assert!(count >= 25);
}
