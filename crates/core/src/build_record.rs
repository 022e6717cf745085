//! What is recorded of a build: where an image came from.

use std::collections::BTreeMap;

use crate::{Fingerprint, deployment::Timestamp, image::Image, value::value};

value! {
    /// How an image came about, as the journal of its run has it.
    #[derive(Eq)]
    pub struct BuildRecord {
        /// The run's id.
        pub run: String,
        /// The artifact's name.
        pub artifact: String,
        /// The image, where those who use it read it.
        pub image: Image,
        /// The builder's kind and version.
        pub builder: String,
        ;
        /// The fingerprint of all inputs.
        pub fingerprint: Option<Fingerprint>,
        /// The inputs: `file PATH`, `fact NAME`, `image REFERENCE` and so on, each with its hash; a fact, such as a build
        /// argument, stands there as it is.
        pub inputs: BTreeMap<String, String>,
        /// The images of other artifacts that it required, by alias.
        pub requires: BTreeMap<String, Image>,
        /// When the builder began; absent where another process, or an earlier run, had it built.
        pub started: Option<Timestamp>,
        /// When the builder was done.
        pub ended: Option<Timestamp>,
        /// Whether the image was there already, made of these inputs by an earlier run.
        pub reused: bool,
    }
}
