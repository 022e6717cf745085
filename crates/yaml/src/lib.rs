//! YAML as the programs of the field read it: a tree that keeps order, places and text, the scalar rules
//! of Go's two libraries, values of the reader's own types with their places, and edits that leave every
//! other byte alone.
//!
//! Configuration is read as `gopkg.in/yaml.v3` does, manifests as kubectl does, by `sigs.k8s.io/yaml`: no
//! crate resolves plain scalars like either (`123e4567` is a text there, `0644` is 420), and a table that
//! Go produced is checked by the tests.
//!
//! ```
//! use shipway_yaml::{Rules, parse};
//!
//! let documents = parse("config.yaml", "mode: 0644\nsha: 123e4567\non: yes\n")?;
//! assert_eq!(documents[0].to_json(Rules::Config)?.to_string(), r#"{"mode":420,"on":"yes","sha":"123e4567"}"#);
//! assert_eq!(documents[0].to_json(Rules::Manifest)?.to_string(), r#"{"mode":420,"sha":"123e4567","true":true}"#);
//! # Ok::<(), shipway_core::Error>(())
//! ```

mod document;
mod edit;
mod json;
mod merge;
mod node;
mod number;
mod parse;
mod parts;
mod quote;
mod read;
mod rewrite;
mod scalar;
mod spanned;
mod timestamp;
mod write;

pub use self::{
    document::Document,
    edit::Edit,
    node::{Mark, Node, Scalar, Span, Style, Value},
    parse::{Limits, parse, parse_within},
    parts::parts,
    rewrite::rewrite,
    scalar::{Resolved, Rules},
    spanned::Spanned,
};
