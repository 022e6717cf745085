//! Archives that are not what helm packs.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use shipway_core::ErrorKind;
use tar::{EntryType, Header};

use super::stage::packed;
use crate::helm::chart::{archive, content::LARGEST_FILE};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

/// An entry that is written as it is.
fn entry(kind: EntryType, path: &[u8], link: &str, data: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    let gnu = header.as_gnu_mut().expect("made as GNU's");
    gnu.name[..path.len()].copy_from_slice(path);
    gnu.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut block = header.as_bytes().to_vec();
    block.extend_from_slice(data);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

fn file(path: &str, data: &[u8]) -> Vec<u8> {
    entry(EntryType::Regular, path.as_bytes(), "", data)
}

fn gzip(content: &[u8]) -> Bytes {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(content).expect("in memory");
    gzip.finish().expect("in memory").into()
}

fn tar(entries: &[Vec<u8>]) -> Bytes {
    let mut tar = entries.concat();
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

/// An archive with the chart's file, and these entries after it.
fn with(entries: &[Vec<u8>]) -> Bytes {
    tar(&[&[file("web/Chart.yaml", CHART.as_bytes())], entries].concat())
}

fn pax(records: &[u8]) -> Vec<u8> {
    entry(EntryType::XHeader, b"PaxHeaders/x", "", records)
}

fn nested(depth: usize) -> Bytes {
    let mut archive = packed("web", "1.0.0");
    for _ in 0..depth {
        archive = with(&[file("web/charts/web-1.0.0.tgz", &archive)]);
    }
    archive
}

#[test]
fn hostile_archives_are_refused() {
    let other = |kind| with(&[entry(kind, b"web/x", "", b"")]);
    let link = |kind, text: &str| with(&[entry(kind, b"web/templates/x", text, b"")]);
    let named = |path: &str| with(&[file(path, b"x")]);
    let bomb = vec![0_u8; LARGEST_FILE + 1];
    let full: Vec<Vec<u8>> =
        (0..21).map(|at| file(&format!("web/files/{at}"), &bomb[..LARGEST_FILE])).collect();
    let many: Vec<Vec<u8>> = (0..20_001).map(|at| file(&format!("web/{at}"), b"")).collect();
    let folders: Vec<Vec<u8>> =
        (0..50_000).map(|at| entry(EntryType::Directory, format!("web/{at}/").as_bytes(), "", b"")).collect();
    let mut cut = with(&[file("web/values.yaml", &bomb[..4096])]).to_vec();
    cut.truncate(cut.len() / 2);
    let mut wrong_sum = file("web/values.yaml", b"x");
    wrong_sum[0] = b'W';
    let mut large = file("web/values.yaml", b"x");
    large[124..136].copy_from_slice(b"77777777777\0");
    let sum: u32 = large[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    large[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let bad = ErrorKind::BadOutput;
    let cases: Vec<(&str, Bytes, ErrorKind)> = vec![
        ("nothing", Bytes::new(), bad),
        ("a text", Bytes::from_static(b"apiVersion: v2\nname: web\n"), bad),
        ("a plain tar", Bytes::from(file("web/Chart.yaml", CHART.as_bytes())), bad),
        ("gzip of no tar", gzip(b"hello, this is not a tar archive at all, however long it is"), bad),
        ("an empty tar", tar(&[]), bad),
        ("no chart", tar(&[file("web/values.yaml", b"a: b\n")]), ErrorKind::Config),
        ("the chart beside its folder", tar(&[file("Chart.yaml", CHART.as_bytes())]), bad),
        ("the chart too deep", tar(&[file("a/web/Chart.yaml", CHART.as_bytes())]), ErrorKind::Config),
        ("a file beside", named("values.yaml"), bad),
        ("another folder", named("other/values.yaml"), bad),
        ("a folder above", named("web/../../etc/passwd"), bad),
        ("a folder above at the beginning", named("../web/x"), bad),
        ("a folder above at the end", named("web/templates/.."), bad),
        ("an absolute path", named("/etc/passwd"), bad),
        ("two slashes", named("web//etc/passwd"), bad),
        ("a dot", named("web/./x"), bad),
        ("a dot at the beginning", named("./web/x"), bad),
        ("a backslash", named("web\\..\\..\\x"), bad),
        ("a backslash within", named("web/templates\\x"), bad),
        ("a drive", named("web/c:/x"), bad),
        ("a slash at the end of a file", named("web/x/"), bad),
        ("an escape", named("web/\u{1b}[2Jx"), bad),
        ("a newline", named("web/a\nb"), bad),
        ("no UTF-8", with(&[entry(EntryType::Regular, b"web/\xff\xfe", "", b"x")]), bad),
        ("two charts", with(&[file("web/Chart.yaml", b"name: evil\nversion: 6.6.6\n")]), bad),
        ("a file twice", with(&[file("web/values.yaml", b"a"), file("web/values.yaml", b"b")]), bad),
        ("a link", link(EntryType::Symlink, "../../../etc/passwd"), bad),
        ("a link within", link(EntryType::Symlink, "a.yaml"), bad),
        ("a hard link", link(EntryType::Link, "/etc/passwd"), bad),
        ("a hard link within", link(EntryType::Link, "web/Chart.yaml"), bad),
        ("a FIFO", other(EntryType::Fifo), bad),
        ("a character device", other(EntryType::Char), bad),
        ("a block device", other(EntryType::Block), bad),
        ("an unknown type", other(EntryType::new(b'Z')), bad),
        ("a sparse file", other(EntryType::GNUSparse), bad),
        ("a name by PAX", with(&[pax(b"20 path=../../../x\n"), file("web/x", b"x")]), bad),
        ("a broken record of PAX", with(&[pax(b"99 path=web\n"), file("web/x", b"x")]), bad),
        ("a name by GNU", with(&[entry(EntryType::GNULongName, b"././@LongLink", "", b"/etc/passwd\0"), file("web/x", b"x")]), bad),
        ("a large file", with(&[file("web/x", &bomb)]), bad),
        ("a large chart", with(&full), bad),
        ("many files", with(&many), bad),
        ("many folders", with(&folders), bad),
("it ends early", Bytes::from(cut), bad),
        ("a header of a wrong sum", with(&[wrong_sum]), bad),
        ("a size that is not there", with(&[large]), bad),
        ("a chart of the wrong name", tar(&[file("web/Chart.yaml", b"name: ../../evil\nversion: 1.0.0\n")]), ErrorKind::Config),
        ("a chart of no version", tar(&[file("web/Chart.yaml", b"name: web\nversion: ../1\n")]), ErrorKind::Config),
        ("a chart that is no YAML", tar(&[file("web/Chart.yaml", b"name: [\n")]), ErrorKind::Config),
        ("aliases without end", tar(&[file("web/Chart.yaml", b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n")]), ErrorKind::Config),
        ("a hostile chart within", with(&[file("web/charts/x.tgz", &with(&[file("web/../x", b"")]))]), bad),
        ("a chart within that is none", with(&[file("web/charts/x.tgz", b"x")]), bad),
        ("charts too deep", nested(18), bad),
        ("charts that are too much together", with(&(0..6).map(|at| file(&format!("web/charts/{at}.tgz"), &with(&full[..4]))).collect::<Vec<_>>()), bad),
    ];
    assert!(cases.len() >= 50, "{}", cases.len());
    for (what, archive, kind) in cases {
        let error = archive::read("web.tgz", &archive).map(|_| ()).expect_err(what);
        // The tar reader's own word for kinds that nobody packs is kept as a cause.
        assert_eq!(error.kind(), kind, "{what}: {error:?}");
        assert!(!error.to_string().contains(['\u{1b}', '\n']), "{what}: {error:?}");
    }
}

#[test]
fn odd_and_honest_archives_are_taken() {
    let mark = [b"\xef\xbb\xbf".as_slice(), CHART.as_bytes()].concat();
    let long = "d".repeat(60) + "/" + &"f".repeat(80);
    let honest = [
        with(&[]),
        tar(&[entry(EntryType::Directory, b"web/", "", b""), file("web/Chart.yaml", CHART.as_bytes())]),
        tar(&[
            entry(EntryType::XGlobalHeader, b"pax_global_header", "", b"12 comment=\n"),
            file("web/Chart.yaml", CHART.as_bytes()),
        ]),
        tar(&[file("web/Chart.yaml", &mark)]),
        // As git's archives name it.
        tar(&[file("chart-main/Chart.yaml", CHART.as_bytes())]),
        with(&[
            file("web/charts/.hidden.tgz", b"x"),
            file("web/charts/_off.tgz", b"x"),
            file("web/files/x.tgz", b"x"),
        ]),
        with(&[file("web/...", b"x"), file("web/a..b", b"x"), file("web/..a", b"x")]),
        with(&[pax(format!("{} path=web/{long}\n", long.len() + 14).as_bytes()), file("web/short", b"x")]),
        nested(10),
        // What is after its end is not read.
        with(&[vec![0; 1 << 20], file("web/../x", b"x")]),
        packed("web", "1.0.0"),
    ];
    for (at, archive) in honest.iter().enumerate() {
        let (metadata, content) =
            archive::read("web.tgz", archive).unwrap_or_else(|error| panic!("{at}: {error:?}"));
        assert_eq!((&*metadata.name, &*metadata.version), ("web", "1.0.0"), "{at}");
        assert!(content.files["Chart.yaml"].starts_with(b"apiVersion"), "{at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_changed_archive_is_read_or_refused(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6), inside in any::<bool>()) {
        let mut content = [
            file("web/Chart.yaml", CHART.as_bytes()),
            file("web/charts/a-1.0.0.tgz", &packed("a", "1.0.0")),
            vec![0; 1024],
        ].concat();
        let mut archive = gzip(&content).to_vec();
        let target = if inside { &mut content } else { &mut archive };
        for (at, byte) in changes {
            let at = usize::from(at) % target.len();
            target[at] = byte;
        }
        let archive = if inside { gzip(&content) } else { archive.into() };
        if let Ok((_, content)) = archive::read("web.tgz", &archive) {
            prop_assert!(content.files.keys().all(|path| !path.starts_with('/') && path.split('/').all(|step| step != "..")));
        }
    }
}
