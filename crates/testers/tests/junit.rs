//! Reports as JUnit XML: what they look like, and that hostile names come out as they went in.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use proptest::prelude::*;
use quick_xml::{Reader, events::Event};
use shipway_core::{Case, CaseOutcome, TestReport};
use shipway_testers::junit;

fn case(name: &str, outcome: CaseOutcome) -> Case {
    Case::new(name, outcome)
}

#[test]
fn suites_cases_failures_and_skips_are_written() {
    let web = TestReport::new().cases([
        case("Metadata Test", CaseOutcome::Passed),
        case("shell", CaseOutcome::Failed("no `/bin/sh`\nand <no> bash".to_owned()))
            .duration(Duration::from_millis(1_500)),
        case("later", CaseOutcome::Skipped("no runner".to_owned())),
    ]);
    let hostile = TestReport::new().cases([
        case("a\"b'c<d>&amp;\n\te\u{1b}[31m\u{0}\u{ffff}\r", CaseOutcome::Passed),
        case("]]><!-- -->", CaseOutcome::Failed("]]>\r\n\u{8}é日".to_owned())),
        case("", CaseOutcome::Failed(String::new())),
    ]);
    let empty = TestReport::new();
    let document = junit([("test:web/shape", &web), ("x\" onload=\"", &hostile), ("empty", &empty)]);
    insta::assert_snapshot!(document, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites tests="6" failures="3" errors="0" skipped="1" time="1.500">
      <testsuite name="test:web/shape" tests="3" failures="1" errors="0" skipped="1" time="1.500">
        <testcase name="Metadata Test" classname="test:web/shape" time="0.000"/>
        <testcase name="shell" classname="test:web/shape" time="1.500">
          <failure message="no `/bin/sh`">no `/bin/sh`
    and &lt;no&gt; bash</failure>
        </testcase>
        <testcase name="later" classname="test:web/shape" time="0.000">
          <skipped message="no runner">no runner</skipped>
        </testcase>
      </testsuite>
      <testsuite name="x&quot; onload=&quot;" tests="3" failures="2" errors="0" skipped="0" time="0.000">
        <testcase name="a&quot;b'c&lt;d&gt;&amp;amp;&#10;&#9;e�[31m��&#13;" classname="x&quot; onload=&quot;" time="0.000"/>
        <testcase name="]]&gt;&lt;!-- --&gt;" classname="x&quot; onload=&quot;" time="0.000">
          <failure message="]]&gt;">]]&gt;&#13;
    �é日</failure>
        </testcase>
        <testcase name="" classname="x&quot; onload=&quot;" time="0.000">
          <failure message=""></failure>
        </testcase>
      </testsuite>
      <testsuite name="empty" tests="0" failures="0" errors="0" skipped="0" time="0.000">
      </testsuite>
    </testsuites>
    "#);
    insta::assert_snapshot!(junit([]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites tests="0" failures="0" errors="0" skipped="0" time="0.000">
    </testsuites>
    "#);
}

/// Returns the names of suites and cases, and the texts, as a reader of XML sees them.
fn read(document: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().check_end_names = true;
    let mut seen = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => {
                let kind = element.name().as_ref().to_owned();
                for attribute in element.attributes() {
                    let attribute = attribute.unwrap();
                    if attribute.key.as_ref() == "name" {
                        let value = quick_xml::escape::unescape(&attribute.value).unwrap();
                        seen.push((kind.clone(), value.into_owned()));
                    }
                }
                texts.push(String::new());
            }
            Event::Text(text) => {
                if let Some(last) = texts.last_mut() {
                    last.push_str(&text);
                }
            }
            Event::GeneralRef(name) => {
                let name = format!("&{};", &*name);
                if let Some(last) = texts.last_mut() {
                    last.push_str(&quick_xml::escape::unescape(&name).unwrap());
                }
            }
            Event::End(element) if element.name().as_ref() == "failure" => {
                seen.push(("text".to_owned(), texts.last().cloned().unwrap_or_default()));
            }
            Event::Eof => return seen,
            _ => {}
        }
    }
}

/// What XML can hold of a text.
fn held(text: &str) -> String {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..);
    text.chars().map(|c| if fits(c) { c } else { '\u{FFFD}' }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_gets_what_was_written(
        suite in "(\\PC|[\u{0}-\u{20}<>&\"'])*",
        name in "([a-z]|[\u{0}-\u{20}<>&\"'\u{fffe}\u{ffff}]|\\PC)*",
        text in "([a-z]|]]>|[\u{0}-\u{20}<>&\"'\u{fffe}\u{ffff}]|\\PC)*",
    ) {
        let report = TestReport::new().cases([case(&name, CaseOutcome::Failed(text.clone()))]);
        let seen = read(&junit([(suite.as_str(), &report)]));
        let expected = [("testsuite", suite), ("testcase", name), ("text", text)];
        let expected: Vec<(String, String)> =
            expected.into_iter().map(|(kind, text)| (kind.to_owned(), held(&text))).collect();
        prop_assert_eq!(seen, expected);
    }
}
