//! Hands what is known of a build to who attests it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Output, Task,
    lower::{id, image_id},
    perform::{Done, Work},
    recorded::{Recorded, complete},
};
use crate::{BuildRecord, Context, Error, Image, Result, Timestamp, cache::Snapshot};

/// What a build of this run was made of, and when.
#[derive(Clone, Debug)]
pub(super) struct MadeOf {
    pub(super) snapshot: Snapshot,
    pub(super) requires: BTreeMap<String, Image>,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) reused: bool,
}

impl Work {
    pub(super) async fn attest(&self, cx: &Context, task: &Task) -> Result<Done> {
        let build = self.pipeline.find_build(&task.part)?;
        let Some(attester) = &build.attester else {
            return Err(Error::internal(format!("artifact `{}` has no attester", task.part)));
        };
        let mut image = self.image(&image_id(&self.pipeline, &task.part)?)?;
        image.name.clone_from(&task.part);
        let fingerprint = self.made(|made| made.fingerprints.get(&task.part).cloned());
        let fingerprint =
            fingerprint.ok_or_else(|| Error::internal(format!("`{}` has no fingerprint", task.part)))?;
        let known = self.made(|made| made.made_of.get(&task.part).cloned());
        let made_of = match known {
            Some(made_of) => made_of,
            // Another process built it.
            None => {
                let made_of = self.look_again(cx, task).await?;
                if made_of.snapshot.fingerprint() != fingerprint {
                    return Err(Error::conflict(format!(
                        "the inputs of `{}` have changed since it was built, so that it cannot be said what it is made of",
                        task.part
                    ))
                    .hint("run again: it is built of what is there now"));
                }
                made_of
            }
        };
        let record =
            BuildRecord::new(cx.run_id(), task.part.as_str(), image, build.builder.capabilities().version);
        let record = record
            .fingerprint(fingerprint)
            .inputs(made_of.snapshot.entries().clone())
            .requires(made_of.requires)
            .started(made_of.started)
            .ended(made_of.ended)
            .reused(made_of.reused);
        attester.attest(cx, &record).await?;
        Ok(Output::Nothing.into())
    }

    async fn look_again(&self, cx: &Context, task: &Task) -> Result<MadeOf> {
        let build = self.pipeline.find_build(&task.part)?;
        let store = self.image(&id("build", &task.part))?.store;
        let recorded = Recorded {
            cache: Arc::clone(&self.cache),
            verify: self.verify,
            build: Arc::new(build.clone()),
            store,
        };
        let inputs = recorded.inputs(cx).await?;
        let mut snapshot = recorded.snapshot(cx, &inputs).await?;
        let requires = self.required(build)?;
        let tag = self.people_tag(&task.part).filter(|_| inputs.uses_tag);
        complete(&mut snapshot, &requires, tag.as_ref());
        Ok(MadeOf { snapshot, requires, started: None, ended: None, reused: false })
    }
}
