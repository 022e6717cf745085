//! Ten thousand patterns and ten thousand paths: what is tried grows with each of the two, not with both.

use std::time::Instant;

use proptest::prelude::{prop, prop_assert, proptest};

use super::IgnoreRules;

type Make = fn(usize) -> String;

/// Kinds of patterns and, for each pattern, a path that it matches.
const KINDS: [(Make, Make); 10] = [
    (|i| format!("dir{i}/file{i}.txt"), |i| format!("dir{i}/file{i}.txt")),
    (|i| format!("**/**/**/*a{i}"), |i| format!("d/{}/xa{i}", "a".repeat(20))),
    (|i| format!("packages/p{i}/**/*.log"), |i| format!("packages/p{i}/a/b/x.log")),
    (|i| format!("**/node_modules{i}/**/*.js"), |i| format!("a/b/node_modules{i}/c/x.js")),
    (|i| format!("src/generated/*a{i}*"), |i| format!("src/generated/xa{i}y")),
    (|i| format!("*needle{i}*"), |i| format!("xneedle{i}y")),
    (|i| format!("[Dd]ir{i}/*.[oa]"), |i| format!("Dir{i}/x.o")),
    (|i| format!("?a{i}?"), |i| format!("xa{i}y")),
    (
        |i| format!("a/common/beginning/longer/than/a/key/d{i}/**"),
        |i| format!("a/common/beginning/longer/than/a/key/d{i}/x"),
    ),
    (
        |i| format!("**/a/common/end{i}/*/longer/than/a/key/by/some/bytes"),
        |i| format!("b/a/common/end{i}/x/longer/than/a/key/by/some/bytes"),
    ),
];

fn rules(count: usize, pattern: Make) -> IgnoreRules {
    IgnoreRules::new(&(0..count).map(pattern).collect::<Vec<_>>()).expect("valid")
}

#[test]
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "the figure is for the report")]
fn what_is_tried_grows_with_the_patterns_and_the_paths_but_not_with_both() {
    for (pattern, path) in KINDS {
        let tried = |count: usize| -> usize {
            let rules = rules(count, pattern);
            let tried_for = |path: &str| rules.index.candidates(path).map(<[usize]>::len).sum::<usize>();
            (0..count).map(|i| tried_for(&path(i))).sum()
        };
        let (half, whole) = (tried(5_000), tried(10_000));
        assert!(whole <= 25 * 10_000, "{} {whole}", pattern(1));
        assert!(whole <= 5 * half, "{}: {half}, and {whole} for twice as many", pattern(1));

        let rules = rules(10_000, pattern);
        let start = Instant::now();
        assert!((0..10_000).all(|i| rules.is_ignored(&path(i))), "{}", pattern(1));
        println!(
            "M4: 10000 patterns such as `{}` on 10000 paths: {:?}, {whole} tried",
            pattern(1),
            start.elapsed()
        );
    }
}

#[test]
fn stars_do_not_multiply() {
    let patterns =
        ["*a*a*a*a*a*a*a*a*a*a*a*a*b", "**/**/**/**/a/**/**/**/b", "a{1000}a{1000}b", "**a**a**a**a**a**b"];
    for pattern in patterns {
        let rules = IgnoreRules::new(&[pattern.to_owned()]).expect("valid");
        assert!(!rules.is_ignored(&"a".repeat(4_000)), "{pattern}");
        assert!(!rules.is_ignored(&"a/".repeat(500)), "{pattern}");
    }
}

#[test]
fn patterns_that_would_fill_the_memory_are_refused() {
    let patterns: Vec<String> = (0..1_000).map(|i| format!("{i}{}", "[a-z]{1000}".repeat(10))).collect();
    let error = IgnoreRules::new(&patterns).map(drop).expect_err("refused");
    assert_eq!(error.kind(), crate::ErrorKind::Config);
}

proptest! {
    #[test]
    fn a_rule_that_matches_is_always_tried(
        patterns in prop::collection::vec(r"(a|b|ab|é|/|\*\*/|\*|\?|\[ab\]|abcabcabc|a\{2\}|\||\.){1,9}", 1..40),
        paths in prop::collection::vec(r"(a|b|ab|é|/|abcabcabc|\.){1,9}", 1..20),
    ) {
        let valid: Vec<String> =
            patterns.into_iter().filter(|text| IgnoreRules::new(std::slice::from_ref(text)).is_ok()).collect();
        let rules = IgnoreRules::new(&valid).expect("each is valid");
        for path in &paths {
            let tried: Vec<usize> = rules.index.candidates(path).flatten().copied().collect();
            for (index, rule) in rules.rules.iter().enumerate() {
                prop_assert!(!rule.pattern.matches(path) || tried.contains(&index), "{:?} {path}", rule.pattern);
            }
        }
    }
}
