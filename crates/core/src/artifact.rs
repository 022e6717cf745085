//! Artifacts: the things that are built into images.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    image::{Image, Platform, Target},
    inputs::Fingerprint,
    value::value,
};

value! {
    /// A thing to build into an image, as the pipeline declares it.
    #[derive(Eq)]
    pub struct Artifact {
        /// The name, unique in the pipeline; other artifacts require it and releases use it by this.
        pub name: String,
        /// The folder of its sources, below the context's root or absolute.
        pub context: PathBuf,
        ;
        /// The artifacts that its build needs: the alias that its builder sees, to their names.
        pub requires: BTreeMap<String, String>,
        /// The platforms to build for; empty for the builder's own choice.
        pub platforms: Vec<Platform>,
    }
}

value! {
    /// What a builder is asked to build.
    #[derive(Eq)]
    pub struct BuildRequest {
        /// The declaration.
        pub artifact: Artifact,
        /// Where the image must be when `build` returns.
        pub target: Target,
        /// The fingerprint of all inputs: a stable name for remote work, which a resumed run finds
        /// again.
        pub fingerprint: Fingerprint,
        ;
        /// The required images by alias, each in a store that the builder reads.
        pub requires: BTreeMap<String, Image>,
    }
}

value! {
    /// What a tagger is asked to tag.
    #[derive(Eq)]
    pub struct TagRequest {
        /// The declaration.
        pub artifact: Artifact,
        ;
        /// The fingerprint of all inputs; present whenever the tagger says that it needs it.
        pub fingerprint: Option<Fingerprint>,
    }
}
