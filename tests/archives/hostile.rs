//! Archives made to harm whoever unpacks them: each with the CVE or class it stands for, where it has one.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use crate::blocks::{
    BLOCK, CHAR, CONTIGUOUS, Entry, FIFO, FILE, FOLDER, HARD, LINK, ended, entry, extended, gzip, header,
    padded, records, sized, sum, tar,
};

/// Layers of an image, the lowest first, by a name.
pub(crate) type Hostile = (String, Vec<Vec<u8>>);

const KINDS: [(&str, u8); 8] = [
    ("file", FILE),
    ("folder", FOLDER),
    ("link", LINK),
    ("hard link", HARD),
    ("fifo", FIFO),
    ("character device", CHAR),
    ("block device", BLOCK),
    ("contiguous file", CONTIGUOUS),
];

/// Returns every type of entry under every form of a name that leads to the canary, before, after and
/// through a link that leads there.
pub(crate) fn matrix(canary: &str) -> Vec<Hostile> {
    let up = "../".repeat(24);
    let below = canary.trim_start_matches('/');
    let names = [
        ("parents", format!("{up}{below}/new")),
        ("parents inside", format!("a/b/{up}{below}/new")),
        ("absolute", format!("{canary}/new")),
        ("doubled slashes", format!("//{below}//new")),
        ("dots", format!("./.././{up}{below}/new")),
        ("over the canary itself", format!("{canary}/treasure")),
        ("the parent alone", "..".to_owned()),
        ("through a link", "out/new".to_owned()),
        ("over a link", "out".to_owned()),
    ];
    let mut all = Vec::new();
    for (what, kind) in KINDS {
        for (form, name) in &names {
            let text = match kind {
                LINK | HARD => format!("{canary}/treasure"),
                FILE | CONTIGUOUS => "overwritten".to_owned(),
                _ => String::new(),
            };
            let evil = entry(name, kind, &text).mode(0o6777);
            let link = entry("out", LINK, canary);
            for (order, entries) in [
                ("alone", vec![evil.clone()]),
                ("after a link", vec![link.clone(), evil.clone()]),
                ("before a link", vec![evil.clone(), link.clone()]),
            ] {
                all.push((format!("{what}, {form}, {order}"), vec![tar(&entries)]));
            }
            all.push((
                format!("{what}, {form}, in the next layer"),
                vec![tar(std::slice::from_ref(&link)), tar(&[evil])],
            ));
        }
    }
    all
}

/// Returns archives that are each of a kind of their own.
pub(crate) fn special(canary: &str) -> Vec<Hostile> {
    let mut all = links(canary);
    all.extend(headers(canary));
    all.extend(sizes());
    all.extend(floods());
    all.extend(compression());
    all
}

fn one(name: &str, entries: &[Entry]) -> Hostile {
    (name.to_owned(), vec![tar(entries)])
}

fn links(canary: &str) -> Vec<Hostile> {
    let out = entry("out", LINK, canary);
    let up = format!("{}{}", "../".repeat(24), canary.trim_start_matches('/'));
    vec![
        // oras-go's hard links through the working directory.
        one(
            "hard link to an absolute file, then written",
            &[entry("h", HARD, &format!("{canary}/treasure")), entry("h", FILE, "x")],
        ),
        one(
            "hard link to a file above, then written",
            &[entry("h", HARD, &format!("{up}/treasure")), entry("h", FILE, "x")],
        ),
        one(
            "hard link through a link",
            &[out.clone(), entry("h", HARD, "out/treasure"), entry("h", FILE, "x")],
        ),
        one(
            "hard link to a link, then written through",
            &[out.clone(), entry("h", HARD, "out"), entry("h/new", FILE, "x")],
        ),
        one("hard link to itself", &[entry("h", HARD, "h")]),
        one("hard link to what comes later", &[entry("h", HARD, "later"), entry("later", FILE, "x")]),
        one(
            "hard link to a folder",
            &[entry("d/", FOLDER, ""), entry("h", HARD, "d"), entry("h/new", FILE, "x")],
        ),
        one("hard link to the root", &[entry("h", HARD, "/")]),
        one("hard link to nothing", &[entry("h", HARD, "")]),
        // tar-rs CVE-2026-33056: the mode of a folder set through a link.
        one("chmod through a link", &[out.clone(), entry("out/", FOLDER, "").mode(0o777)]),
        one("chmod through a link, without a slash", &[out.clone(), entry("out", FOLDER, "").mode(0o777)]),
        one(
            "a folder becomes a link",
            &[entry("d/", FOLDER, ""), entry("d", LINK, canary), entry("d/new", FILE, "x")],
        ),
        one(
            "a link becomes a folder and a link again",
            &[out.clone(), entry("out/", FOLDER, ""), out.clone(), entry("out/new", FILE, "x")],
        ),
        one(
            "links through links",
            &[entry("a", LINK, "/"), entry("b", LINK, &format!("a{canary}")), entry("b/new", FILE, "x")],
        ),
        one("whiteout through a link", &[out.clone(), entry("out/.wh.treasure", FILE, "")]),
        one("opaque through a link", &[out.clone(), entry("out/.wh..wh..opq", FILE, "")]),
        one("whiteout of a parent", &[entry("a/.wh...", FILE, "")]),
        one("whiteout of the folder", &[entry("a/.wh..", FILE, "")]),
        one("whiteout of nothing", &[entry(".wh.", FILE, "")]),
        one("whiteout as a link", &[entry(".wh.x", LINK, canary)]),
        one("whiteout as a folder, with a file", &[entry(".wh.x/", FOLDER, ""), entry(".wh.x/y", FILE, "")]),
        one("a root that is a link", &[entry("./", LINK, canary), entry("new", FILE, "x")]),
        one("a root that is a file", &[entry(".", FILE, "x")]),
        one("a root that is a hard link", &[entry("/", HARD, canary)]),
        one("a circle", &[entry("a", LINK, "b"), entry("b", LINK, "a"), entry("a/new", FILE, "x")]),
        one("a link to itself, many times", &[entry("a", LINK, "a/a/a/a/a/a/a"), entry("a/x", FILE, "x")]),
        one("a link to where it is", &[entry("a", LINK, "."), entry(&"a/".repeat(200), FOLDER, "")]),
        one("a file below a file", &[entry("a", FILE, "x"), entry("a/b", FILE, "x")]),
        one("a file below a device", &[entry("a", CHAR, ""), entry("a/b", FILE, "x")]),
        one("a link without text", &[entry("a", LINK, ""), entry("a/b", FILE, "x")]),
        one("a link with a line end", &[entry("a", LINK, "\n/etc\u{1b}[31m"), entry("a/b", FILE, "x")]),
    ]
}

fn headers(canary: &str) -> Vec<Hostile> {
    let pax =
        |key: &str, value: &str| tar(&[entry("file", FILE, "x").pax(key, value), entry("next", FILE, "y")]);
    let raw = |text: &[u8]| ended(&[extended(b'x', text), entry("file", FILE, "x").bytes()]);
    let named = |name: &str, layer: Vec<u8>| (format!("header: {name}"), vec![layer]);
    let up = format!("{}etc/passwd", "../".repeat(24));
    let mut prefixed = header(b"new", FILE, b"", 0o644, 0);
    let prefix = canary.as_bytes();
    prefixed[345..345 + prefix.len().min(155)].copy_from_slice(&prefix[..prefix.len().min(155)]);
    sum(&mut prefixed);
    let mut parents = header(b"passwd", FILE, b"", 0o644, 0);
    parents[345..354].copy_from_slice(b"../../etc");
    sum(&mut parents);
    let mut wrong_sum = header(b"a", FILE, b"", 0o644, 0);
    wrong_sum[0] = b'b';
    let mut no_sum = header(b"a", FILE, b"", 0o644, 0);
    no_sum[148..156].fill(0);
    vec![
        // CVE-2026-33055: who goes by the header takes the content for an entry.
        named(
            "PAX size over the header's",
            ended(&[
                extended(b'x', &records(&[("size".to_owned(), "512".to_owned())])),
                header(b"a", FILE, b"", 0o644, 0).to_vec(),
                header(format!("{canary}/new").as_bytes(), FILE, b"", 0o644, 0).to_vec(),
            ]),
        ),
        named(
            "PAX size of nothing over the header's",
            ended(&[
                extended(b'x', &records(&[("size".to_owned(), "0".to_owned())])),
                header(b"a", FILE, b"", 0o644, 512).to_vec(),
                header(format!("{canary}/new").as_bytes(), FILE, b"", 0o644, 0).to_vec(),
            ]),
        ),
        named("PAX path above", pax("path", &up)),
        named("PAX path absolute", pax("path", &format!("{canary}/new"))),
        named("PAX path with NUL", pax("path", "a\0/../../b")),
        named(
            "PAX link path",
            tar(&[entry("l", LINK, "x").pax("linkpath", canary), entry("l/new", FILE, "x")]),
        ),
        named("PAX size negative", pax("size", "-1")),
        named("PAX size huge", pax("size", "18446744073709551615")),
        named("PAX size beyond 64 bits", pax("size", "99999999999999999999999")),
        named("PAX owner negative", pax("uid", "-5")),
        named("PAX time of nonsense", pax("mtime", "1e999999999")),
        named("PAX sparse 1.0", pax("GNU.sparse.major", "1")),
        named("PAX sparse map", pax("GNU.sparse.map", "0,99999999999999")),
        named("PAX record of length 0", raw(b"0 path=x\n")),
        named("PAX record too long", raw(b"99999999 path=x\n")),
        named("PAX record of a huge length", raw(b"99999999999999999999 path=x\n")),
        named("PAX record negative", raw(b"-5 path=x\n")),
        named("PAX record without an equals sign", raw(b"7 path\n")),
        named("PAX record without an end", raw(b"9 path=aX")),
        named("PAX record not UTF-8", raw(b"11 path=\xff\xfe\n")),
        named("PAX header of 2 MiB", raw(&vec![b'9'; 2 << 20])),
        named(
            "PAX header twice",
            ended(&[
                extended(b'x', &records(&[("path".to_owned(), "a".to_owned())])),
                extended(b'x', &records(&[("path".to_owned(), up.clone())])),
                entry("file", FILE, "x").bytes(),
            ]),
        ),
        named(
            "global PAX path",
            ended(&[
                extended(b'g', &records(&[("path".to_owned(), up.clone())])),
                entry("file", FILE, "x").bytes(),
            ]),
        ),
        named(
            "PAX header and no entry",
            ended(&[extended(b'x', &records(&[("path".to_owned(), up.clone())]))]),
        ),
        named(
            "GNU long name above",
            ended(&[extended(b'L', up.as_bytes()), entry("file", FILE, "x").bytes()]),
        ),
        named(
            "GNU long link out",
            ended(&[
                extended(b'K', canary.as_bytes()),
                entry("l", LINK, "x").bytes(),
                entry("l/new", FILE, "x").bytes(),
            ]),
        ),
        named(
            "GNU long name of 2 MiB",
            ended(&[extended(b'L', &vec![b'a'; 2 << 20]), entry("file", FILE, "x").bytes()]),
        ),
        named("GNU long name of 5000 bytes", tar(&[entry(&"a".repeat(5000), FILE, "x")])),
        named("GNU long name and no entry", ended(&[extended(b'L', b"name")])),
        named("GNU long name empty", ended(&[extended(b'L', b""), entry("file", FILE, "x").bytes()])),
        named("GNU sparse", tar(&[entry("s", b'S', "")])),
        named("GNU multi-volume", tar(&[entry("m", b'M', "")])),
        named("GNU volume label", tar(&[entry("v", b'V', "")])),
        named("unknown type", tar(&[entry("z", b'Z', "")])),
        named("type NUL", tar(&[entry("z", 0, "x")])),
        named("prefix that is absolute", ended(&[prefixed.to_vec()])),
        named("prefix with parents", ended(&[parents.to_vec()])),
        named("a wrong sum", ended(&[wrong_sum.to_vec()])),
        named("no sum", ended(&[no_sum.to_vec()])),
        named("no name", tar(&[entry("", FILE, "x")])),
        named("a name that is not UTF-8", ended(&[header(b"\xff\xfe/\x80", FILE, b"", 0o644, 0).to_vec()])),
        named("a name of control characters", tar(&[entry("\u{1b}[2J\r\n\u{7f}", FILE, "x")])),
        named("a setuid program of root", tar(&[entry("bin/su", FILE, "x").mode(0o6755)])),
        named(
            "mode of nonsense",
            ended(&[{
                let mut block = header(b"a", FILE, b"", 0o644, 0);
                block[100..108].copy_from_slice(b"zzzzzzzz");
                sum(&mut block);
                block.to_vec()
            }]),
        ),
        named("cut in the header", header(b"a", FILE, b"", 0o644, 0)[..100].to_vec()),
        named("no end", header(b"a", FILE, b"", 0o644, 0).to_vec()),
        named("an entry between the end blocks", ended(&[vec![0; 512], entry("hidden", FILE, "x").bytes()])),
        named("an entry after the end", [tar(&[]), tar(&[entry("hidden", FILE, "x")])].concat()),
    ]
}

fn sizes() -> Vec<Hostile> {
    let named = |name: &str, layer: Vec<u8>| (format!("size: {name}"), vec![layer]);
    vec![
        named("8 GiB and nothing", sized("a", *b"77777777777\0")),
        named("negative in base 256", sized("a", [0xff; 12])),
        named(
            "most in base 256",
            sized("a", [0x80, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ),
        named("almost 2^64", sized("a", [0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        named("no number", sized("a", *b"nonsense    ")),
        named("blank", sized("a", *b"            ")),
        named("negative in octal", sized("a", *b"-0000000001\0")),
        named("content cut", [header(b"a", FILE, b"", 0o644, 5000).to_vec(), padded(b"short")].concat()),
        named(
            "of a folder",
            ended(&[header(b"d/", FOLDER, b"", 0o755, 1 << 30).to_vec(), entry("hidden", FILE, "x").bytes()]),
        ),
        named(
            "of a link",
            ended(&[header(b"l", LINK, b"x", 0o755, 1 << 30).to_vec(), entry("hidden", FILE, "x").bytes()]),
        ),
    ]
}

fn floods() -> Vec<Hostile> {
    let many = |count: usize, of: &dyn Fn(usize) -> Entry| vec![tar(&(0..count).map(of).collect::<Vec<_>>())];
    let flip = |i: usize| match i % 3 {
        0 => entry("a", FILE, "x"),
        1 => entry("a/", FOLDER, ""),
        _ => entry("a", LINK, "/"),
    };
    let xattr =
        |i: usize| entry(&format!("f{i}"), FILE, "").pax("SCHILY.xattr.user.flood", &"x".repeat(4000));
    let named = |name: &str, layers: Vec<Vec<u8>>| (format!("flood: {name}"), layers);
    vec![
        named(
            "one path of 10,000 folders",
            vec![tar(&[entry("f", FILE, "x").pax("path", &"d/".repeat(10_000))])],
        ),
        named(
            "10,000 folders in each other",
            many(10_000, &|i| entry("x", FOLDER, "").pax("path", &"d/".repeat(i + 1))),
        ),
        named("30,000 folders", many(30_000, &|i| entry(&format!("d{i}/x/"), FOLDER, ""))),
        named("50,000 times one file", many(50_000, &|_| entry("a", FILE, "x"))),
        named("30,000 changes of one name", many(30_000, &flip)),
        named("30,000 whiteouts", many(30_000, &|i| entry(&format!(".wh.f{i}"), FILE, ""))),
        named(
            "30,000 hard links",
            vec![
                [
                    tar(&[entry("a", FILE, "x")]),
                    tar(&(0..30_000).map(|i| entry(&format!("h{i}"), HARD, "a")).collect::<Vec<_>>()),
                ][1]
                .clone(),
            ],
        ),
        named("5,000 extended attributes of 4 kB", many(5_000, &xattr)),
        named(
            "an extended attribute of 1 MB",
            many(1, &|_| entry("f", FILE, "").pax("SCHILY.xattr.user.x", &"x".repeat(1_000_000))),
        ),
        named(
            "10,000 long names for one entry",
            vec![ended(&[extended(b'L', b"a").repeat(10_000), entry("x", FILE, "").bytes()])],
        ),
        named(
            "links after links",
            many(20_000, &|i| match i {
                0..30 => entry(&format!("l{i}"), LINK, &format!("{}l{}", "./".repeat(40), i + 1)),
                30 => entry("l30", LINK, "d"),
                _ => entry("l0/a", FILE, ""),
            }),
        ),
        named(
            "100 layers that take all away",
            vec![tar(&[entry("a/b", FILE, "x"), entry(".wh..wh..opq", FILE, "")]); 100],
        ),
    ]
}

fn compression() -> Vec<Hostile> {
    let named = |name: &str, layer: Vec<u8>| (format!("compression: {name}"), vec![layer]);
    let fine = tar(&[entry("a", FILE, "x")]);
    // 256 MiB of zeros as one file, in 260 kB.
    let mut bomb = GzEncoder::new(Vec::new(), Compression::new(6));
    bomb.write_all(&sized("zeros", *b"02000000000\0")).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..256).for_each(|_| bomb.write_all(&zeros).unwrap());
    let bomb = bomb.finish().unwrap();
    let whole = gzip(&fine);
    let mut wrong_sum = whole.clone();
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 1;
    vec![
        named("a bomb of 256 MiB", bomb),
        named("gzip in gzip", gzip(&whole)),
        named("cut", whole[..whole.len() / 2].to_vec()),
        named("cut in its sum", whole[..whole.len() - 3].to_vec()),
        named("a wrong sum", wrong_sum),
        named("more after the end", [whole.clone(), b"more".to_vec()].concat()),
        named("10,000 empty members", gzip(b"").repeat(10_000)),
        named("a gzip header alone", vec![0x1f, 0x8b]),
        named("zstd that is none", vec![0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]),
        named("xz", vec![0xfd, b'7', b'z', b'X', b'Z', 0, 0, 0]),
        named("bzip2", b"BZh91AY&SY".to_vec()),
        named("a zip", b"PK\x03\x04".repeat(200)),
        named("nothing", Vec::new()),
        named("noise", (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        named("all ones", vec![0xff; 2048]),
    ]
}
