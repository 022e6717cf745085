//! Releases and their manifests.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Result,
    image::{Image, Text},
    value::value,
};

value! {
    /// Images under a name: what is deployed together.
    #[derive(Eq)]
    pub struct Release {
        /// The name, unique in its target.
        pub name: String,
        ;
        /// The namespace, where the target has namespaces.
        pub namespace: Option<String>,
        /// The images, each pinned by its digest.
        pub images: Vec<Image>,
        /// Labels for every object of the release.
        pub labels: BTreeMap<String, String>,
    }
}

value! {
    /// What identifies an object in a target.
    #[derive(Eq, PartialOrd, Ord, Hash)]
    pub struct ObjectId {
        /// The API group and version, such as `apps/v1`.
        pub api_version: String,
        /// The kind, such as `Deployment`.
        pub kind: String,
        /// The name.
        pub name: String,
        ;
        /// The namespace, for objects that have one.
        pub namespace: Option<String>,
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

value! {
    /// One object of a release, as the text that is applied.
    #[derive(Eq)]
    pub struct Manifest {
        /// Which object it is.
        pub object: ObjectId,
        /// The text: YAML, or JSON, which is YAML.
        pub text: Text,
        ;
    }
}

value! {
    /// A rendered release.
    #[derive(Eq)]
    pub struct Manifests {
        /// What was rendered.
        pub release: Release,
        ;
        /// The objects, in the order in which they are applied.
        pub objects: Vec<Manifest>,
        /// The deployer's own state.
        pub state: Option<State>,
    }
}

/// A plug-in's own state, as one versioned JSON value.
///
/// ```
/// use shipway_core::State;
///
/// let state = State::new(1, &["chart.tgz"])?;
/// assert_eq!(state.read::<Vec<String>>(1)?, ["chart.tgz"]);
/// assert!(state.read::<Vec<String>>(2).is_err());
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct State {
    /// The version of the form.
    pub version: u32,
    /// The value, which only the plug-in understands.
    pub value: serde_json::Value,
}

impl State {
    /// Returns the state made of a value.
    ///
    /// # Errors
    /// `Internal` when the value cannot be JSON.
    pub fn new(version: u32, value: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(value)
            .map_err(|error| Error::internal("a plug-in's state cannot be written as JSON").source(error))?;
        Ok(Self { version, value })
    }

    /// Returns the value, if it has this version.
    ///
    /// # Errors
    /// `Conflict` when another version of the plug-in made it; `BadOutput` when the form is wrong.
    pub fn read<T: DeserializeOwned>(&self, version: u32) -> Result<T> {
        if self.version != version {
            return Err(Error::conflict(format!(
                "a record has version {} of its form, but this plug-in reads version {version}",
                self.version
            ))
            .hint("deploy again with this version of the plug-in, or use the one that made the record"));
        }
        T::deserialize(&self.value)
            .map_err(|error| Error::bad_output("a plug-in's state does not have its form").source(error))
    }
}
