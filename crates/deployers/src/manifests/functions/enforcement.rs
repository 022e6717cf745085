//! `set-enforcement-action`: what Gatekeeper does where one of its constraints is not met.

use shipway_core::{Error, Result};

use super::{super::piece::Piece, fields::Field, known, set_text};

const NAME: &str = "set-enforcement-action";

/// The version that is Gatekeeper's for constraints (krm-functions-catalog, `set-enforcement-action`).
const VERSION: &str = "constraints.gatekeeper.sh/v1beta1";

#[derive(Clone, Debug)]
pub(in crate::manifests) struct Enforcement(String);

impl Enforcement {
    pub(super) fn new(settings: &[(&str, &str)]) -> Result<Self> {
        match known(NAME, settings, &["enforcementAction"])?.get("enforcementAction").copied() {
            Some(action @ ("deny" | "warn" | "dryrun")) => Ok(Self(action.to_owned())),
            other => Err(Error::config(format!("`{NAME}` has the action `{}`", other.unwrap_or_default()))
                .hint("set `enforcementAction` to `deny`, `warn` or `dryrun`")),
        }
    }

    pub(super) fn apply(&self, pieces: &mut [Piece]) -> Result<()> {
        for piece in pieces.iter_mut().filter(|piece| piece.id().api_version == VERSION) {
            let spec = Field::new("", "", "spec", true);
            piece
                .edit(|root| Ok(spec.each(root, &mut |spec| set_text(spec, "enforcementAction", &self.0))))?;
        }
        Ok(())
    }
}
