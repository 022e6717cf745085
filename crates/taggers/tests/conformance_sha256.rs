//! The contract's clauses for `sha256`.

use shipway_taggers::Sha256;

fn main() -> std::process::ExitCode {
    shipway_testkit::tagger(|| Sha256).main()
}
