//! CONTRACT.md, the checks and the traits' documentation say the same.

#![expect(clippy::disallowed_methods, reason = "the test reads the project's own texts")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::{collections::BTreeMap, fs, path::Path};

use shipway_testkit::{Attesters, Builders, Clause, Deployers, LogReaders, Role, Runners, Taggers, Testers};

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).ok()
}

/// Returns the clauses of CONTRACT.md, by number.
fn contract(text: &str) -> BTreeMap<String, String> {
    let clause = |line: &str| {
        let (id, sentence) = line.strip_prefix("- **")?.split_once("** ")?;
        let numbered = id.len() > 1 && id[1..].bytes().all(|byte| byte.is_ascii_digit());
        numbered.then(|| (id.to_owned(), sentence.to_owned()))
    };
    let clauses: Vec<_> = text.lines().filter_map(clause).collect();
    let by_number: BTreeMap<_, _> = clauses.iter().cloned().collect();
    assert_eq!(clauses.len(), by_number.len(), "each number is there once");
    by_number
}

fn checks() -> Vec<(&'static str, &'static str)> {
    fn of<R>(clauses: &[Clause<R>]) -> Vec<(&'static str, &'static str)> {
        clauses.iter().map(|clause| (clause.id, clause.sentence)).collect()
    }
    [
        of(Builders::clauses()),
        of(Taggers::clauses()),
        of(Testers::clauses()),
        of(Deployers::clauses()),
        of(Runners::clauses()),
        of(LogReaders::clauses()),
        of(Attesters::clauses()),
    ]
    .concat()
}

#[test]
fn every_clause_has_a_check_and_every_check_a_clause() {
    let Some(text) = read("CONTRACT.md") else {
        // The published crate does not carry the repository's page.
        println!("skipped: needs CONTRACT.md of the repository");
        return;
    };
    let mut contract = contract(&text);
    for (id, sentence) in checks() {
        let written = contract.remove(id).unwrap_or_else(|| panic!("{id} is not in CONTRACT.md"));
        let same = written.to_lowercase().starts_with(&sentence.to_lowercase());
        assert!(same, "{id} is `{sentence}` in the kit and `{written}` in CONTRACT.md");
    }
    assert!(contract.is_empty(), "no check for {:?}", contract.keys());
}

#[test]
fn every_clause_is_cited_where_the_trait_is_documented() {
    for (role, clauses) in [
        ("builder", Builders::clauses().iter().map(|clause| clause.id).collect::<Vec<_>>()),
        ("tagger", Taggers::clauses().iter().map(|clause| clause.id).collect()),
        ("tester", Testers::clauses().iter().map(|clause| clause.id).collect()),
        ("deployer", Deployers::clauses().iter().map(|clause| clause.id).collect()),
        ("runner", Runners::clauses().iter().map(|clause| clause.id).collect()),
        ("log_reader", LogReaders::clauses().iter().map(|clause| clause.id).collect()),
        ("attester", Attesters::clauses().iter().map(|clause| clause.id).collect()),
    ] {
        let Some(text) = read(&format!("crates/core/src/role/{role}.rs")) else {
            println!("skipped: needs the sources of shipway-core");
            return;
        };
        let documented: String = text.lines().filter(|line| line.trim_start().starts_with("///")).collect();
        for id in clauses {
            assert!(cites(&documented, id), "{id} is not cited in role/{role}.rs");
        }
    }
}

/// Returns whether a text cites a clause: by its number, or within a range such as `B1 to B12`.
fn cites(text: &str, id: &str) -> bool {
    let (letter, number) = id.split_at(1);
    let number: u32 = number.parse().expect("a number");
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let numbered = |word: &str| word.strip_prefix(letter).and_then(|digits| digits.parse::<u32>().ok());
    let alone = words.contains(&id);
    let in_range = words.windows(3).any(|three| match (numbered(three[0]), three[1], numbered(three[2])) {
        (Some(from), "to", Some(to)) => (from..=to).contains(&number),
        _ => false,
    });
    alone || in_range
}

#[test]
fn citations_are_read_alone_and_in_ranges() {
    for (text, id, cited) in [
        ("returns it (B6).", "B6", true),
        ("returns it (B16).", "B6", false),
        ("Clauses B1 to B12 of", "B7", true),
        ("Clauses B1 to B12 of", "B13", false),
        ("Clauses D1 to D13 of", "B7", false),
    ] {
        assert_eq!(cites(text, id), cited, "{text}");
    }
}
