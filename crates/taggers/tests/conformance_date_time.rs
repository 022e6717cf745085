//! The contract's clauses for `dateTime`.

use shipway_taggers::DateTime;

fn main() -> std::process::ExitCode {
    shipway_testkit::tagger(|| DateTime::new("", "Europe/Berlin")).main()
}
