//! Documents that are made to hurt.

/// Anchors that each name the one before several times.
fn growing(levels: usize, first: &str, next: impl Fn(usize) -> String) -> String {
    (0..levels).map(|level| if level == 0 { first.to_owned() } else { next(level) }).collect()
}

const ALIASED: &str = "anchors and aliases stand for more than 250000 nodes";
const DEEP: &str = "lists and mappings lie more than 128 deep";

/// Mappings that each merge the one before and add little: what comes out is much more than what stands there.
fn merged_in_a_row() -> String {
    let keys: String = (0..400).map(|key| format!("k{key}: 1, ")).collect();
    growing(120, &format!("m0: &m0 {{{keys}}}\n"), |level| {
        format!("m{level}: &m{level} {{<<: *m{}}}\n", level - 1)
    })
}

/// Each with its name, and with the error where it is refused; where size is what hurts, so many times as long.
pub(crate) fn bombs(times: usize) -> Vec<(&'static str, Option<&'static str>, String)> {
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
            format!("{opening}{}{}", "x,".repeat(50_000 * times), "]".repeat(100)),
        ),
        (
            "a long text many times",
            Some(ALIASED),
            format!("- &a {long}\n{}", "- *a\n".repeat(25_000 * times)),
        ),
        (
            "a long tag many times",
            Some(ALIASED),
            format!("- &a !{long} x\n{}", "- *a\n".repeat(25_000 * times)),
        ),
        ("many aliases", None, format!("- &a x\n{}", "- *a\n".repeat(50_000 * times))),
        ("many anchors", None, (0..25_000 * times).map(|anchor| format!("- &a{anchor} 1\n")).collect()),
        (
            "aliases in each other",
            Some(DEEP),
            growing(15_000 * times, "- &a0 [x]\n", |level| format!("- &a{level} [*a{}]\n", level - 1)),
        ),
        ("flow lists in each other", Some("recursion limit exceeded"), "[".repeat(100_000 * times)),
        ("flow mappings in each other", Some("recursion limit exceeded"), "{a: ".repeat(50_000 * times)),
        ("block lists in each other", Some(DEEP), "- ".repeat(100_000 * times)),
        (
            "block mappings in each other",
            Some(DEEP),
            (0..1_400).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        ),
        ("question marks", Some(DEEP), "? ".repeat(100_000 * times)),
        ("one long text", None, format!("a: {}\n", long.repeat(2 * times))),
        ("one long quoted text", None, format!("a: \"{}\"\n", "\\u0041".repeat(40_000 * times))),
        ("many keys", None, (0..25_000 * times).map(|key| format!("k{key}: 1\n")).collect()),
        ("many equal keys", None, "k: 1\n".repeat(50_000 * times)),
        ("many documents", None, "---\n".repeat(50_000 * times)),
        ("many tags", None, "- !!str x\n".repeat(25_000 * times)),
        ("many comments", None, "# c\n".repeat(50_000 * times)),
        ("blank lines in a folded text", None, format!("a: >\n  x\n{}  y\n", "\n".repeat(200_000 * times))),
        ("colons", Some("mapping values are not allowed"), ":".repeat((1 << 18) * times)),
        ("small items", None, format!("[{}]", "a,".repeat(100_000 * times))),
        ("empty lists", None, format!("[{}]", "[],".repeat(80_000 * times))),
        ("small pairs", None, format!("[{}]", "{a: },".repeat(40_000 * times))),
        ("lists as deep as they may", None, format!("{}x\n", "- ".repeat(120)).repeat(times * 1_000)),
        ("merges in a row", None, merged_in_a_row()),
        ("lines of one text", None, format!("a:\n{}", "  b\n".repeat(60_000 * times))),
        ("lines of a quoted text", None, format!("a: \"{}\"\n", "b\\\n  ".repeat(40_000 * times))),
        ("quotes that do not end", Some("unclosed quote"), format!("a: '{}", "''".repeat(100_000 * times))),
    ]
}
