//! The catalog: kinds of plug-ins by name. A value, not a global; merging two is adding one's kinds
//! to the other.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Attester, Builder, Deployer, Error, LogReader, Result, Runner, Tagger, Tester, error::did_you_mean,
    value::value,
};

/// The options of a plug-in, which become the plug-in. Without IO.
pub trait PluginConfig: DeserializeOwned + Send + 'static {
    /// The kind's name, such as `native`.
    const KIND: &'static str;

    /// The plug-in.
    type Plugin;

    /// Makes the plug-in; inner plug-ins come from the catalog, by their [`Part`].
    ///
    /// # Errors
    /// `Config` when the options do not fit together.
    fn into_plugin(self, catalog: &Catalog) -> Result<Self::Plugin>;
}

value! {
    /// A plug-in as a file names it: a kind and its options.
    #[derive(Eq)]
    pub struct Part {
        /// The kind, as the catalog knows it.
        pub kind: String,
        ;
        /// The options, of the form that the kind reads.
        pub options: serde_json::Map<String, serde_json::Value>,
    }
}

type Make<T> = Arc<dyn Fn(serde_json::Value, &Catalog) -> Result<Arc<T>> + Send + Sync>;

/// The kinds of one role.
struct Kinds<T: ?Sized>(BTreeMap<&'static str, Make<T>>);

impl<T: ?Sized> Default for Kinds<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: ?Sized> Clone for Kinds<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Kinds of plug-ins by name, in one name space for each role.
#[derive(Clone, Default)]
pub struct Catalog {
    depth: usize,
    builders: Kinds<dyn Builder>,
    taggers: Kinds<dyn Tagger>,
    testers: Kinds<dyn Tester>,
    deployers: Kinds<dyn Deployer>,
    runners: Kinds<dyn Runner>,
    log_readers: Kinds<dyn LogReader>,
    attesters: Kinds<dyn Attester>,
}

/// Plug-ins inside plug-ins go no deeper, so that a file cannot exhaust the stack.
const MAX_DEPTH: usize = 8;

macro_rules! role {
    ($role:literal, $trait:ident, $kinds:ident, $add:ident, $make:ident) => {
        impl Catalog {
            #[doc = concat!("Adds a kind of ", $role, "; a kind of the same name is replaced.")]
            #[must_use]
            pub fn $add<C>(mut self) -> Self
            where
                C: PluginConfig,
                C::Plugin: $trait,
            {
                let make: Make<dyn $trait> = Arc::new(|options, catalog| {
                    let config: C = read($role, C::KIND, options)?;
                    Ok(Arc::new(config.into_plugin(catalog)?))
                });
                self.$kinds.0.insert(C::KIND, make);
                self
            }

            #[doc = concat!("Makes the ", $role, " that the part names.")]
            ///
            /// # Errors
            /// `Config` when the kind is not known, the options do not have its form, or plug-ins are
            /// nested too deep.
            pub fn $make(&self, part: &Part) -> Result<Arc<dyn $trait>> {
                let make = self.$kinds.find($role, &part.kind)?;
                make(part.options.clone().into(), &self.deeper()?)
            }
        }
    };
}

role!("builder", Builder, builders, with_builder, builder);
role!("tagger", Tagger, taggers, with_tagger, tagger);
role!("tester", Tester, testers, with_tester, tester);
role!("deployer", Deployer, deployers, with_deployer, deployer);
role!("runner", Runner, runners, with_runner, runner);
role!("log reader", LogReader, log_readers, with_log_reader, log_reader);
role!("attester", Attester, attesters, with_attester, attester);

impl Catalog {
    /// Returns a catalog without kinds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all kinds of another catalog; where both have a kind, the other's counts.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.builders.0.extend(other.builders.0);
        self.taggers.0.extend(other.taggers.0);
        self.testers.0.extend(other.testers.0);
        self.deployers.0.extend(other.deployers.0);
        self.runners.0.extend(other.runners.0);
        self.log_readers.0.extend(other.log_readers.0);
        self.attesters.0.extend(other.attesters.0);
        self
    }

    /// Returns the names of all kinds by role, for help texts and tables.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<&'static str, Vec<&'static str>> {
        BTreeMap::from([
            ("builder", self.builders.names()),
            ("tagger", self.taggers.names()),
            ("tester", self.testers.names()),
            ("deployer", self.deployers.names()),
            ("runner", self.runners.names()),
            ("log reader", self.log_readers.names()),
            ("attester", self.attesters.names()),
        ])
    }

    fn deeper(&self) -> Result<Self> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::config(format!("plug-ins are nested more than {MAX_DEPTH} deep"))
                .hint("take some of the inner plug-ins out"));
        }
        Ok(Self { depth: self.depth + 1, ..self.clone() })
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Catalog").field(&self.kinds()).finish()
    }
}

impl<T: ?Sized> Kinds<T> {
    fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    fn find(&self, role: &str, kind: &str) -> Result<&Make<T>> {
        self.0.get(kind).ok_or_else(|| {
            let error = Error::config(format!("there is no {role} of kind `{kind}`"));
            match did_you_mean(kind, self.0.keys().copied()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("the catalog has these: {}", self.names().join(", "))),
            }
        })
    }
}

fn read<C: DeserializeOwned>(role: &str, kind: &str, options: serde_json::Value) -> Result<C> {
    serde_json::from_value(options)
        .map_err(|error| Error::config(format!("the options of {role} `{kind}` are wrong: {error}")))
}

impl Part {
    /// Returns the part made of a kind and typed options.
    ///
    /// # Errors
    /// `Internal` when the options are not a JSON object.
    pub fn with_options(kind: impl Into<String>, options: &impl Serialize) -> Result<Self> {
        match serde_json::to_value(options) {
            Ok(serde_json::Value::Object(options)) => Ok(Self::new(kind).options(options)),
            _ => Err(Error::internal("a plug-in's options are not a JSON object")),
        }
    }
}
