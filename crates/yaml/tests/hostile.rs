//! Documents that are made to hurt (M1 of the reliability rows): each ends soon, with an error that has a place or with a
//! tree within the limits.

use shipway_yaml::{Limits, Rules, parse, parse_within};

fn bombs() -> Vec<(&'static str, String)> {
    let laughs = |levels: usize| {
        let level = |level: usize| {
            let item = if level == 0 { "x".to_owned() } else { format!("*a{}", level - 1) };
            format!("a{level}: &a{level} [{}]\n", vec![item; 10].join(", "))
        };
        (0..levels).map(level).collect::<String>()
    };
    let merges = |levels: usize| {
        let level = |level: usize| match level.checked_sub(1) {
            None => "m0: &m0 {k0: 1}\n".to_owned(),
            Some(below) => {
                format!("m{level}: &m{level} {{<<: [*m{below}, *m{below}], k{level}: *m{below}}}\n")
            }
        };
        (0..levels).map(level).collect::<String>()
    };
    vec![
        ("billion laughs", laughs(10)),
        ("merge bomb", merges(30)),
        ("flow lists in each other", "[".repeat(500_000)),
        ("flow mappings in each other", "{a: ".repeat(250_000)),
        ("block lists in each other", "- ".repeat(500_000)),
        (
            "block mappings in each other",
            (0..1_400).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
        ),
        ("one long scalar", format!("a: {}\n", "x".repeat(1 << 20))),
        ("one long quoted scalar", format!("a: \"{}\"\n", "\\u0041".repeat(170_000))),
        ("many keys", (0..100_000).map(|key| format!("k{key}: 1\n")).collect()),
        ("many equal keys", "k: 1\n".repeat(200_000)),
        ("many documents", "---\n".repeat(250_000)),
        ("many anchors", (0..100_000).map(|anchor| format!("- &a{anchor} 1\n")).collect()),
        ("many aliases", format!("- &a x\n{}", "- *a\n".repeat(200_000))),
        ("many tags", "- !!str x\n".repeat(100_000)),
        ("many comments", "# c\n".repeat(250_000)),
        ("blank lines in a folded scalar", format!("a: >\n  x\n{}  y\n", "\n".repeat(1_000_000))),
        ("colons", ":".repeat(1 << 20)),
        ("question marks", "? ".repeat(500_000)),
        ("quotes that do not end", format!("a: '{}", "''".repeat(500_000))),
    ]
}

#[test]
fn no_document_overflows_the_stack_or_goes_over_the_limits() {
    let documents = bombs();
    for (_, text) in &documents {
        for document in parse("bomb.yaml", text).into_iter().flatten() {
            // Converting is bounded by the tree, whatever comes of it.
            let _ = document.to_json(Rules::Manifest);
            let _ = document.merged(Rules::Config);
        }
    }
    let mut limits = Limits::default();
    limits.nodes = 1_000;
    for name in ["billion laughs", "many keys", "many aliases"] {
        let text = &documents.iter().find(|(other, _)| *other == name).expect("it is there").1;
        let error = parse_within("bomb.yaml", text, &limits).expect_err(name).report().to_string();
        assert!(error.starts_with("bomb.yaml:") && error.contains("more than 1000 nodes"), "{error}");
    }
    let error = parse("bomb.yaml", &"[".repeat(1_000)).expect_err("too deep").report().to_string();
    assert_eq!(error, "bomb.yaml:1:129: lists and mappings lie more than 128 deep");
}
