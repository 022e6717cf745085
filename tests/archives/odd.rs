//! Images that are odd and valid, as they are found in registries, and where their files are.

use crate::blocks::{CHAR, Entry, FIFO, FILE, FOLDER, HARD, LINK, entry};

/// An image by a name: the entries of its layers, the lowest first, and what must be at some paths: a
/// file's content, a link's text after `->`, `/` for a folder, or nothing.
pub(crate) struct Odd {
    pub(crate) name: &'static str,
    pub(crate) layers: Vec<Vec<Entry>>,
    pub(crate) facts: &'static [(&'static str, Option<&'static str>)],
    /// Whether layers must be unpacked over each other, which overlayfs does not.
    pub(crate) over_each_other: bool,
}

const LOWER: &str = "hard links to files of a lower layer";

fn folder(name: &str) -> Entry {
    entry(name, FOLDER, "")
}

fn file(name: &str, content: &str) -> Entry {
    entry(name, FILE, content)
}

fn link(name: &str, text: &str) -> Entry {
    entry(name, LINK, text)
}

fn hard(name: &str, of: &str) -> Entry {
    entry(name, HARD, of)
}

fn base() -> Vec<Entry> {
    vec![
        folder("usr/"),
        folder("usr/bin/"),
        file("usr/bin/dash", "dash").mode(0o755),
        link("usr/bin/sh", "dash"),
        link("bin", "usr/bin"),
        folder("etc/"),
        file("etc/passwd", "root"),
        folder("var/"),
        link("var/run", "/run"),
        folder("run/"),
    ]
}

pub(crate) fn all() -> Vec<Odd> {
    let odd =
        |name, layers: Vec<Vec<Entry>>, facts| Odd { name, layers, facts, over_each_other: name == LOWER };
    let long = "n".repeat(200);
    let deep = format!("{long}/{long}/{long}");
    vec![
        odd(
            // Amazon Corretto; Kaniko's first fix of CVE-2026-28406 refused it.
            "a link with more parents than folders",
            vec![vec![
                folder("usr/lib/jvm/java/conf/"),
                link("usr/lib/jvm/java/conf/security", "../../../../../../../../etc/crypto"),
                file("etc/crypto/policy", "strong"),
            ]],
            &[("usr/lib/jvm/java/conf/security/policy", Some("strong"))],
        ),
        odd(
            "usr-merge, with a file beside the link",
            vec![base(), vec![file("usr/bin/app", "app").mode(0o755)]],
            &[("bin/app", Some("app")), ("bin/sh", Some("dash"))],
        ),
        odd(
            // What careless tools make: the folder hides the link, and the image its shell.
            "usr-merge, with a file through the link",
            vec![base(), vec![file("bin/app", "app").mode(0o755)]],
            &[("bin/app", Some("app")), ("usr/bin/app", None), ("bin/sh", None)],
        ),
        odd(
            // Debian's own dash; the second that the fix refused.
            "a link over a link of the same name",
            vec![base(), vec![link("usr/bin/sh", "dash")]],
            &[("bin/sh", Some("dash"))],
        ),
        odd(
            "a file over a link",
            vec![base(), vec![file("usr/bin/sh", "own")]],
            &[("bin/sh", Some("own")), ("bin/dash", Some("dash"))],
        ),
        odd(
            "a folder over a link",
            vec![base(), vec![folder("bin/"), file("bin/app", "app")]],
            &[("bin/app", Some("app")), ("bin/sh", None)],
        ),
        odd(
            "a link over a folder",
            vec![base(), vec![link("etc", "usr")]],
            &[("etc/passwd", None), ("etc/bin/dash", Some("dash"))],
        ),
        odd(
            "a file over a folder",
            vec![base(), vec![file("etc", "file")]],
            &[("etc", Some("file")), ("etc/passwd", None)],
        ),
        odd(
            "a folder over a file",
            vec![base(), vec![folder("etc/passwd/"), file("etc/passwd/x", "x")]],
            &[("etc/passwd/x", Some("x"))],
        ),
        odd(
            "whiteouts of everything",
            vec![
                base(),
                ["usr", "bin", "etc", "var", "run"].map(|name| file(&format!(".wh.{name}"), "")).to_vec(),
            ],
            &[("usr", None), ("bin", None)],
        ),
        odd(
            "an opaque folder, with files before and after",
            vec![
                base(),
                vec![folder("etc/"), file("etc/a", "a"), file("etc/.wh..wh..opq", ""), file("etc/b", "b")],
            ],
            &[("etc/a", Some("a")), ("etc/b", Some("b")), ("etc/passwd", None)],
        ),
        odd(
            "an opaque folder in a folder",
            vec![
                vec![file("a/b/c", "c"), file("a/d", "d")],
                vec![folder("a/"), folder("a/b/"), file("a/b/.wh..wh..opq", "")],
            ],
            &[("a/b", Some("/")), ("a/b/c", None), ("a/d", Some("d"))],
        ),
        odd(
            "a whiteout and the file again, in one layer",
            vec![base(), vec![file("etc/.wh.passwd", ""), file("etc/passwd", "new")]],
            &[("etc/passwd", Some("new"))],
        ),
        odd(
            "a whiteout of what never was",
            vec![base(), vec![file("etc/.wh.nothing", ""), file("opt/.wh.x", "")]],
            &[("etc/passwd", Some("root"))],
        ),
        odd(
            "a whiteout through a link",
            vec![base(), vec![file("bin/.wh.sh", "")]],
            &[("usr/bin/sh", Some("dash")), ("bin/sh", None), ("bin", Some("/"))],
        ),
        odd(
            LOWER,
            vec![base(), vec![hard("etc/shadow", "etc/passwd"), hard("usr/bin/ash", "bin/dash")]],
            &[("etc/shadow", Some("root")), ("bin/ash", Some("dash"))],
        ),
        odd(
            "a hard link whose file goes",
            vec![vec![file("a", "a"), hard("b", "a")], vec![file(".wh.a", "")]],
            &[("a", None), ("b", Some("a"))],
        ),
        odd(
            "a hard link to a link",
            vec![[base(), vec![hard("usr/bin/ash", "usr/bin/sh")]].concat()],
            &[("usr/bin/ash", Some("dash"))],
        ),
        odd(
            "a hard link whose file is written anew",
            vec![vec![file("a", "old"), hard("b", "a")], vec![file("a", "new")]],
            &[("a", Some("new")), ("b", Some("old"))],
        ),
        odd("empty layers", vec![vec![], base(), vec![], vec![]], &[("etc/passwd", Some("root"))]),
        odd(
            "modes and owners",
            vec![vec![
                file("su", "su").mode(0o4755),
                file("wall", "wall").mode(0o2755).owner(0, 5),
                folder("tmp/").mode(0o1777),
                file("none", "none").mode(0).owner(65_534, 65_534),
                file("big", "big").owner(100_000, 200_000),
                folder("shut/").mode(0o500).owner(1000, 1000),
                file("shut/in", "in").mode(0o400).owner(1000, 1000),
            ]],
            &[("none", Some("none")), ("shut/in", Some("in"))],
        ),
        odd(
            "extended attributes",
            vec![vec![
                file("ping", "ping").mode(0o755).pax("SCHILY.xattr.user.note", "of no matter here"),
                file("mtime", "mtime").pax("mtime", "1700000000.123456789"),
            ]],
            &[("ping", Some("ping"))],
        ),
        odd(
            "several entries of one name",
            vec![vec![
                file("a", "1"),
                file("a", "22"),
                file("a", "3"),
                folder("d/").mode(0o700),
                folder("d/").mode(0o711),
            ]],
            &[("a", Some("3"))],
        ),
        odd(
            "devices and a pipe",
            vec![vec![entry("dev/null", CHAR, "").mode(0o666), entry("run/pipe", FIFO, "").mode(0o600)]],
            &[("dev", Some("/"))],
        ),
        odd(
            "names in every form",
            vec![vec![
                file("./etc/a", "a"),
                file("/etc/b", "b"),
                file("etc//c", "c"),
                file("etc/./d", "d"),
                folder("etc/e"),
                file("opt/deep/er/f", "f"),
            ]],
            &[
                ("etc/a", Some("a")),
                ("etc/b", Some("b")),
                ("etc/c", Some("c")),
                ("etc/d", Some("d")),
                ("etc/e", Some("/")),
                ("opt/deep/er", Some("/")),
            ],
        ),
        odd(
            "a folder after what is in it",
            vec![
                vec![file("a/b", "b"), folder("a/").mode(0o555).owner(7, 8)],
                vec![folder("a/").mode(0o750)],
            ],
            &[("a/b", Some("b"))],
        ),
        odd(
            "long and foreign names",
            vec![vec![
                file(&format!("{deep}/file"), "long"),
                file("ünï/日本/файл", "foreign"),
                link("far", &format!("{deep}/file")),
                file("by pax", "pax").pax("path", "a name by PAX"),
                file("white space\tand \"quotes\"", "odd"),
            ]],
            &[("far", Some("long")), ("ünï/日本/файл", Some("foreign")), ("a name by PAX", Some("pax"))],
        ),
        odd(
            "links that lead nowhere, or round",
            vec![vec![
                link("nowhere", "no/such"),
                link("a", "b"),
                link("b", "a"),
                link("self", "self"),
                link("root", "/"),
                link("here", "."),
            ]],
            &[("nowhere", Some("->no/such")), ("root/here/a", Some("->b"))],
        ),
        odd(
            "files through absolute links",
            vec![[base(), vec![file("var/run/app.pid", "1")]].concat()],
            &[("run/app.pid", Some("1")), ("var/run", Some("/"))],
        ),
        odd(
            "a file through a link to the root",
            vec![vec![link("up", "../../.."), file("up/etc/x", "x")]],
            &[("etc/x", Some("x"))],
        ),
        odd(
            "what AUFS left",
            vec![base(), vec![folder(".wh..wh.plnk/"), file(".wh..wh.aufs", ""), folder(".wh..wh.orph/")]],
            &[("etc/passwd", Some("root"))],
        ),
        odd(
            "types of old tars",
            vec![vec![entry("old", 0, "old"), entry("folder/", 0, ""), entry("folder/x", FILE, "x")]],
            &[("old", Some("old")), ("folder/x", Some("x"))],
        ),
        odd(
            "forty layers",
            (0..40)
                .map(|i| {
                    vec![
                        file("count", &i.to_string()),
                        file(&format!("l{i}"), ""),
                        file(&format!(".wh.l{}", i - 1), ""),
                    ]
                })
                .collect(),
            &[("count", Some("39")), ("l39", Some("")), ("l38", None)],
        ),
    ]
}
