//! The contract's clauses for `fixed`.

use shipway_core::Tag;
use shipway_taggers::Fixed;

fn main() -> std::process::ExitCode {
    shipway_testkit::tagger(|| Fixed::new(Tag::parse("v1.2.3").expect("it is a tag"))).main()
}
