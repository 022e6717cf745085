//! Documents that are made to hurt, hundreds of kilobytes each where that is what hurts: each ends soon, with an error that has a
//! place or with a tree within the limits.

mod bombs;
mod cost;

use bombs::bombs;
use shipway_yaml::{Limits, Rules, parse, parse_within};

#[test]
fn no_document_overflows_the_stack_or_goes_over_the_limits() {
    for (name, refused, text) in bombs(1) {
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
