//! Documents that are made to hurt, hundreds of kilobytes each where that is what hurts: each ends soon, with an error that has a
//! place or with a tree within the limits.

use shipway_yaml::{Limits, Rules, parse, parse_within};

/// Anchors that each name the one before several times.
fn growing(levels: usize, first: &str, next: impl Fn(usize) -> String) -> String {
    (0..levels).map(|level| if level == 0 { first.to_owned() } else { next(level) }).collect()
}

const ALIASED: &str = "anchors and aliases stand for more than 250000 nodes";
const DEEP: &str = "lists and mappings lie more than 128 deep";

/// Each with its name, and with the error where it is refused.
fn bombs() -> Vec<(&'static str, Option<&'static str>, String)> {
    let laughs = growing(10, "a0: &a0 [x, x]\n", |level| {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} [{below}]\n")
    });
    let merges = growing(30, "m0: &m0 {k0: 1}\n", |level| {
        let below = level - 1;
        format!("m{level}: &m{level} {{<<: [*m{below}, *m{below}], k{level}: *m{below}}}\n")
    });
    let opening: String = (0..100).map(|level| format!("&a{level} [")).collect();
    let long = "x".repeat(1 << 17);
    vec![
        ("billion laughs", Some(ALIASED), laughs),
        ("merges of merges", Some(ALIASED), merges),
        (
            "anchors in each other",
            Some(ALIASED),
            format!("{opening}{}{}", "x,".repeat(50_000), "]".repeat(100)),
        ),
        ("a long text many times", Some(ALIASED), format!("- &a {long}\n{}", "- *a\n".repeat(25_000))),
        ("a long tag many times", Some(ALIASED), format!("- &a !{long} x\n{}", "- *a\n".repeat(25_000))),
        ("many aliases", None, format!("- &a x\n{}", "- *a\n".repeat(50_000))),
        ("many anchors", None, (0..25_000).map(|anchor| format!("- &a{anchor} 1\n")).collect()),
        (
            "aliases in each other",
            Some(DEEP),
            growing(15_000, "- &a0 [x]\n", |level| format!("- &a{level} [*a{}]\n", level - 1)),
        ),
        ("flow lists in each other", Some("recursion limit exceeded"), "[".repeat(100_000)),
        ("flow mappings in each other", Some("recursion limit exceeded"), "{a: ".repeat(50_000)),
        ("block lists in each other", Some(DEEP), "- ".repeat(100_000)),
        (
            "block mappings in each other",
            Some(DEEP),
            (0..1_400).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        ),
        ("question marks", Some(DEEP), "? ".repeat(100_000)),
        ("one long text", None, format!("a: {long}{long}\n")),
        ("one long quoted text", None, format!("a: \"{}\"\n", "\\u0041".repeat(40_000))),
        ("many keys", None, (0..25_000).map(|key| format!("k{key}: 1\n")).collect()),
        ("many equal keys", None, "k: 1\n".repeat(50_000)),
        ("many documents", None, "---\n".repeat(50_000)),
        ("many tags", None, "- !!str x\n".repeat(25_000)),
        ("many comments", None, "# c\n".repeat(50_000)),
        ("blank lines in a folded text", None, format!("a: >\n  x\n{}  y\n", "\n".repeat(200_000))),
        ("colons", Some("mapping values are not allowed"), ":".repeat(1 << 18)),
        ("quotes that do not end", Some("unclosed quote"), format!("a: '{}", "''".repeat(100_000))),
    ]
}

#[test]
fn no_document_overflows_the_stack_or_goes_over_the_limits() {
    for (name, refused, text) in bombs() {
        match (parse("bomb.yaml", &text), refused) {
            (Ok(documents), None) => {
                // A tree within the limits converts within them: this ends, and the stack holds.
                for document in documents {
                    let manifest = document.to_json(Rules::Manifest);
                    assert!(manifest.is_ok(), "{name}: {manifest:?}");
                    assert_eq!(document.merged(Rules::Config).is_ok(), name != "many equal keys", "{name}");
                }
            }
            (Err(error), Some(expected)) => {
                let error = error.report().to_string();
                assert!(error.starts_with("bomb.yaml:") && error.contains(expected), "{name}: {error}");
            }
            (Ok(_), Some(expected)) => panic!("{name} is not refused: {expected}"),
            (Err(error), None) => panic!("{name}: {error:?}"),
        }
    }
}

#[test]
fn limits_are_the_callers() {
    let read = |limit: fn(&mut Limits), text: &str| {
        let mut limits = Limits::default();
        limit(&mut limits);
        parse_within("a.yaml", text, &limits).map(|_| ()).map_err(|error| error.report().to_string())
    };
    for (limit, fits, over, expected) in [
        (
            (|limits| limits.nodes = 3) as fn(&mut Limits),
            "[a, b]",
            "[a, b, c]",
            "a.yaml:1:8: there are more than 3 nodes",
        ),
        (
            |limits| limits.aliased = 4,
            "[&a [x], *a]",
            "[&a [x], *a, *a]",
            "a.yaml:1:14: anchors and aliases stand for more than 4 nodes",
        ),
        (
            |limits| limits.depth = 2,
            "[[a]]",
            "[[[a]]]",
            "a.yaml:1:3: lists and mappings lie more than 2 deep",
        ),
        (
            |limits| limits.depth = 2,
            "[&a [x], *a]",
            "[&a [x], [*a]]",
            "a.yaml:1:11: lists and mappings lie more than 2 deep",
        ),
        (|limits| limits.bytes = 4, "a: b", "a: bc", "`a.yaml` has more than 4 bytes"),
    ] {
        assert_eq!(read(limit, fits), Ok(()), "{fits}");
        assert_eq!(read(limit, over), Err(expected.to_owned()), "{over}");
    }
}
