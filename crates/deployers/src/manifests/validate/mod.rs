//! Checks of manifests before they are deployed: policies, the cluster's own schemas, and the user's code.

mod policy;
mod schema;

use std::fmt;

use shipway_core::{Error, Location, Result};

pub(super) use self::{policy::Policy, schema::SchemaCheck};
use super::{
    functions::ManifestFunction,
    piece::{Piece, shown},
    place::Path,
};

/// The most mistakes that are told at once.
const MOST: usize = 20;

/// What is wrong with an object.
#[derive(Debug)]
pub(super) struct Wrong {
    location: Location,
    text: String,
}

impl Wrong {
    fn new(piece: &Piece, path: &Path, text: impl fmt::Display) -> Self {
        let text = match path.as_slice() {
            [] => format!("{}: {text}", piece.id()),
            _ => format!("{}: `{}` {text}", piece.id(), shown(path)),
        };
        Self { location: piece.origin.at(path), text }
    }
}

/// The checks that a file may name.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    pub(super) policies: Vec<Policy>,
    pub(super) schema: Option<SchemaCheck>,
}

impl Checks {
    /// Adds the check that a file names (skaffold: render/validate, `validatorAllowlist`; `cel` is ours).
    ///
    /// # Errors
    /// `Config` for a name or setting that there is not, and for what is no policy; `Unsupported` for Gatekeeper.
    pub(super) fn add(&mut self, function: &ManifestFunction) -> Result<()> {
        match function.name.as_str() {
            "kubeval" => self.schema = Some(SchemaCheck::new(&function.settings()?)?),
            "cel" => {
                let settings = function.settings()?;
                if settings.is_empty() {
                    return Err(
                        Error::config("`cel` has no policy").hint("write `name=expression` in `configMap`")
                    );
                }
                for (name, expression) in settings {
                    self.policies.push(Policy::new(name, expression, None)?);
                }
            }
            "gatekeeper" => {
                return Err(Error::unsupported("`gatekeeper` is not supported for `manifests.validate`")
                    .note("its constraints are written in Rego, which is run by the program itself in a container")
                    .hint("write policies in CEL (`name: cel`), or leave them to Gatekeeper in the cluster, which sees what is applied"));
            }
            other => {
                return Err(Error::config(format!(
                    "there is no function `{other}` for `manifests.validate`"
                ))
                .hint("the functions are `kubeval` and `cel`"));
            }
        }
        Ok(())
    }

    /// Checks the policies.
    ///
    /// # Errors
    /// `Config` at the first object that is against one, with the others as notes.
    pub(super) fn policies(&self, pieces: &[Piece]) -> Result<()> {
        if self.policies.is_empty() {
            return Ok(());
        }
        let found = policy::roomy(|| -> Result<Vec<Wrong>> {
            let mut found = Vec::new();
            for piece in pieces {
                let object = piece.object()?;
                found.extend(self.policies.iter().filter_map(|policy| policy.check(piece, &object)));
                if found.len() > MOST {
                    break;
                }
            }
            Ok(found)
        })?;
        refuse(found?, "change the manifest, or the policy in `manifests.validate`")
    }
}

/// Refuses what was found, if anything was: the first with the others as notes.
fn refuse(found: Vec<Wrong>, hint: &str) -> Result<()> {
    let mut found = found.into_iter();
    let Some(first) = found.next() else { return Ok(()) };
    let error = Error::config(first.text).at(first.location).hint(hint);
    let left = found.len().saturating_sub(MOST);
    let error = found
        .take(MOST)
        .fold(error, |error, Wrong { location, text }| error.note(format!("{location}: {text}")));
    Err(if left == 0 { error } else { error.note("and more") })
}
