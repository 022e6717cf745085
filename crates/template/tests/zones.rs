//! Which zone `Local` and a name mean.

use std::path::Path;

use shipway_core::{
    Cancel, Context, Entry, EntryKind, ErrorKind, Files, OpenFile, Result, RunContext, Timestamp, World,
};
use shipway_template::{Zone, format_time};

/// A machine whose `/etc/localtime` is this, or is not there.
#[derive(Clone, Debug)]
struct Etc(Option<EntryKind>, Vec<u8>);

impl Etc {
    fn entry(&self) -> Option<Entry> {
        let host = shipway_core::HostFiles;
        let cx = RunContext::new(World::host("/"), "any").context(None, None, Cancel::new());
        let mut entry = host.entry(&cx, Path::new("/"), "etc").ok().flatten()?;
        entry.kind = self.0.clone()?;
        Some(entry)
    }
}

impl Files for Etc {
    fn walk_each(&self, _cx: &Context, _root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        Ok(vec![Vec::new(); ignore.len()])
    }

    fn entry(&self, _cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        assert_eq!((root, path), (Path::new("/etc"), "localtime"));
        Ok(self.entry())
    }

    fn open(&self, _cx: &Context, _root: &Path, _path: &str) -> Result<OpenFile> {
        Ok(OpenFile::new(self.entry().expect("it is there"), std::io::Cursor::new(self.1.clone())))
    }
}

fn here(etc: Etc, tz: Option<&str>) -> Context {
    let env = tz.map(|tz| ("TZ".to_owned(), tz.to_owned()));
    RunContext::new(World::host("/").files(etc).env(env), "zones").context(None, None, Cancel::new())
}

/// A zone's file of version 1 without a rule: two hours east, called `ABC` (RFC 8536, section 3).
fn zone_file() -> Vec<u8> {
    let mut file = b"TZif\0".to_vec();
    file.extend([0; 15]);
    for count in [0_u32, 0, 0, 0, 1, 4] {
        file.extend(count.to_be_bytes());
    }
    file.extend(7200_i32.to_be_bytes());
    file.extend([0, 0]);
    file.extend(b"ABC\0");
    file
}

fn local(etc: Etc, tz: Option<&str>) -> String {
    let zone = Zone::named(&here(etc, tz), "Local").expect("a zone");
    format_time("15:04 MST -0700", Timestamp(1_700_000_000_000), &zone)
}

#[test]
fn local_is_what_the_environment_says_and_else_what_the_machine_says() {
    let link = |target: &str| Etc(Some(EntryKind::Link(target.to_owned())), Vec::new());
    let berlin = link("/usr/share/zoneinfo/Europe/Berlin");
    assert_eq!(local(berlin.clone(), None), "23:13 CET +0100");
    assert_eq!(local(link("../usr/share/zoneinfo/Asia/Kolkata"), None), "03:43 IST +0530");
    assert_eq!(local(Etc(Some(EntryKind::File), zone_file()), None), "00:13 ABC +0200");
    assert_eq!(local(Etc(None, Vec::new()), None), "22:13 UTC +0000");
    assert_eq!(local(berlin.clone(), Some("America/New_York")), "17:13 EST -0500");
    assert_eq!(local(berlin.clone(), Some(":America/New_York")), "17:13 EST -0500");
    assert_eq!(local(berlin.clone(), Some("/usr/share/zoneinfo/America/New_York")), "17:13 EST -0500");
    assert_eq!(local(berlin, Some("")), "22:13 UTC +0000");
}

#[test]
fn what_is_no_zone_is_an_error() {
    let none = Etc(None, Vec::new());
    for name in ["Nowhere/Else", "../etc/passwd", "/etc/passwd", "EST5EDT4,M3", " "] {
        let error = Zone::named(&here(none.clone(), None), name).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
        let error = Zone::local(&here(none.clone(), Some(name))).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
    }
    for etc in [
        Etc(Some(EntryKind::Link("/dev/null".into())), Vec::new()),
        Etc(Some(EntryKind::File), b"no".to_vec()),
    ] {
        let error = Zone::local(&here(etc, None)).expect_err("no zone");
        assert_eq!(error.kind(), ErrorKind::BadOutput);
    }
}
