//! The contract's clauses for `inputDigest`.

use shipway_taggers::InputDigest;

fn main() -> std::process::ExitCode {
    shipway_testkit::tagger(|| InputDigest).main()
}
