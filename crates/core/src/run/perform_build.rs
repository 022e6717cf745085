//! Builds artifacts, or finds what is recorded of them; names, copies and attests their images.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Build, ObservedBuild, Output, Task, Verdict, answers,
    attest::MadeOf,
    built::find_built,
    lower::{self, id, image_id},
    perform::{Done, Work, check_planned},
    recorded::{Lookup, Recorded, complete},
};
use crate::{
    BuildRequest, Context, Error, Image, Level, Result, Store, Tag, TagRequest, Target, Timestamp,
    cache::Snapshot,
};

/// For how long what a tag was seen to mean is believed: others may move it.
const MOMENT: Duration = Duration::from_secs(5);

impl Work {
    pub(super) async fn tag(&self, cx: &Context, build: &Build) -> Result<Output> {
        let Some(tagger) = &build.tagger else {
            return Err(Error::internal(format!("artifact `{}` has no tagger", build.artifact.name)));
        };
        let fingerprint = self.made(|made| made.fingerprints.get(&build.artifact.name).cloned());
        let request = TagRequest::new(build.artifact.clone())
            .fingerprint(fingerprint.filter(|_| tagger.needs_fingerprint()));
        Ok(Output::Tag(tagger.tag(cx, &request).await?))
    }

    pub(super) async fn build(&self, cx: &Context, task: &Task, store: &Store) -> Result<Done> {
        let build = self.pipeline.find_build(&task.part)?;
        // What was observed for this run a moment ago is not looked at again.
        let seen = self.seen.builds.get(&task.part).filter(|_| task.fingerprint.is_some());
        if let (Some(ObservedBuild { image: Some(image), .. }), Some(fingerprint)) = (seen, &task.fingerprint)
        {
            self.made(|made| made.fingerprints.insert(task.part.clone(), fingerprint.clone()));
            if let (Some(_), Some(seen)) = (&build.attester, seen) {
                let requires = self.required(build)?;
                let mut snapshot = seen.snapshot.clone();
                complete(&mut snapshot, &requires, None);
                self.note_made_of(cx, build, snapshot, requires, None);
            }
            self.begin(cx, task, Vec::new(), Some(fingerprint.clone())).await?;
            return Ok(Done { output: Output::Image(image.clone()), reused: true });
        }
        if let Some(reference) = &build.built {
            let found = find_built(cx, &task.part, store, reference).await?;
            check_planned(task, found.fingerprint.as_ref())?;
            self.begin(cx, task, Vec::new(), found.fingerprint).await?;
            let output = found.image.map_or(Output::Nothing, Output::Image);
            return Ok(Done { output, reused: true });
        }
        let recorded = self.recorded(build, store);
        let (inputs, mut snapshot) = match seen {
            Some(seen) => (seen.inputs.clone(), seen.snapshot.clone()),
            None => {
                let inputs = recorded.inputs(cx).await?;
                let snapshot = recorded.snapshot(cx, &inputs).await?;
                (inputs, snapshot)
            }
        };
        let requires = self.required(build)?;
        let tag = self.people_tag(&task.part).filter(|_| inputs.uses_tag);
        complete(&mut snapshot, &requires, tag.as_ref());
        let fingerprint = snapshot.fingerprint();
        check_planned(task, Some(&fingerprint))?;
        self.made(|made| made.fingerprints.insert(task.part.clone(), fingerprint.clone()));
        let found = recorded.look_up(cx, &snapshot).await?;
        let reasons = match (&found, &task.verdict) {
            (Lookup::Found(_), _) => Vec::new(),
            // What was planned to be reused may have gone since; then it is simply built.
            (Lookup::Missing(_), Verdict::Run(planned)) => planned.clone(),
            (Lookup::Missing(reasons), _) => reasons.clone(),
        };
        self.begin(cx, task, reasons, Some(fingerprint.clone())).await?;
        if let Lookup::Found(image) = found {
            self.note_made_of(cx, build, snapshot, requires, None);
            return Ok(Done { output: Output::Image(image), reused: true });
        }
        let began = cx.clock().now();
        let own_tag = Tag::parse(format!("shipway-{fingerprint}"))?;
        let target = Target::new(store.clone(), build.repository.as_str(), own_tag);
        let image = if lower::fans_out(build) {
            self.build_each(cx, build, target, &snapshot, &requires).await?
        } else {
            let request = BuildRequest::new(build.artifact.clone(), target, fingerprint.clone())
                .requires(requires.clone());
            answers::image(build.builder.build(cx, &request).await?, &request.target)?
        };
        let recording = async {
            let mut after = recorded.snapshot(cx, &inputs).await?;
            complete(&mut after, &requires, tag.as_ref());
            let changed = after.reasons(&snapshot);
            if changed.is_empty() {
                return recorded.record(cx, &snapshot, &image).await;
            }
            let changed: Vec<String> = changed.iter().map(ToString::to_string).collect();
            Err(Error::conflict(format!("{} during the build", changed.join(", "))))
        };
        // The image is there, whatever becomes of the record.
        if let Err(why) = recording.await {
            cx.message(Level::Warning, format!("the result is used but not recorded: {why}"));
        }
        self.note_made_of(cx, build, snapshot, requires, Some(began));
        Ok(Output::Image(image).into())
    }

    fn recorded(&self, build: &Build, store: &Store) -> Recorded {
        Recorded {
            cache: Arc::clone(&self.cache),
            verify: self.verify,
            build: Arc::new(build.clone()),
            store: store.clone(),
        }
    }

    /// Returns the images of other artifacts that a build requires, by alias.
    pub(super) fn required(&self, build: &Build) -> Result<BTreeMap<String, Image>> {
        let required = build.artifact.requires.iter();
        required
            .map(|(alias, name)| Ok((alias.clone(), self.image(&image_id(&self.pipeline, name)?)?)))
            .collect()
    }

    /// Keeps what an artifact is made of for who attests it; `began` is absent where it was there already.
    fn note_made_of(
        &self,
        cx: &Context,
        build: &Build,
        snapshot: Snapshot,
        requires: BTreeMap<String, Image>,
        began: Option<Timestamp>,
    ) {
        if build.attester.is_some() {
            let ended = began.map(|_| cx.clock().now());
            let made_of = MadeOf { snapshot, requires, started: began, ended, reused: began.is_none() };
            self.made(|made| made.made_of.insert(build.artifact.name.clone(), made_of));
        }
    }

    /// Has each platform built alone, and joins the images in an index.
    async fn build_each(
        &self,
        cx: &Context,
        build: &Build,
        target: Target,
        snapshot: &Snapshot,
        requires: &BTreeMap<String, Image>,
    ) -> Result<Image> {
        let mut images = Vec::new();
        for platform in &build.artifact.platforms {
            // Remote work is named by its fingerprint, and each platform is work of its own.
            let mut alone = snapshot.clone();
            alone.set("platform", &platform.to_string());
            let suffix = platform.to_string().replace('/', "_");
            let own_tag = Tag::parse(format!("{}_{suffix}", target.tag))?;
            let own_target = Target::new(target.store.clone(), target.repository.as_str(), own_tag);
            let artifact = build.artifact.clone().platforms([platform.clone()]);
            let request =
                BuildRequest::new(artifact, own_target, alone.fingerprint()).requires(requires.clone());
            cx.message(Level::Info, format!("building for {platform}"));
            images.push(answers::image(build.builder.build(cx, &request).await?, &request.target)?);
        }
        let mut joined = cx.images().join(cx, &images, &target).await?;
        build.artifact.name.clone_into(&mut joined.name);
        Ok(joined)
    }

    pub(super) async fn push(&self, cx: &Context, part: &str, to: &Store, tagged: bool) -> Result<Done> {
        let build = self.pipeline.find_build(part)?;
        let from = if tagged { image_id(&self.pipeline, part)? } else { id("build", part) };
        let image = self.image(&from)?;
        let tag = if tagged { self.people_tag(part) } else { image.tag.clone() };
        let Some(tag) = tag else { return Err(Error::internal(format!("there is no tag for `{part}`"))) };
        let target = Target::new(to.clone(), build.repository.as_str(), tag.clone());
        let seen = self.was_seen(cx, part, &image, &target);
        let reused = seen || {
            let there = cx.images().find(cx, to, &target.reference()).await?;
            there.is_some_and(|there| there.digest == image.digest)
        };
        let from_own_store = image.store == *to;
        let mut copied = if reused {
            Image::new(part, to.clone(), build.repository.as_str(), image.digest)
                .tag(tag)
                .platforms(image.platforms)
        } else {
            cx.images().copy(cx, &image, &target).await?
        };
        part.clone_into(&mut copied.name);
        if tagged && !seen && from_own_store {
            let fingerprint = self.made(|made| made.fingerprints.get(part).cloned());
            if let (Some(fingerprint), Some(tag)) = (fingerprint, &copied.tag) {
                self.recorded(build, to).note_tag(cx, &fingerprint, &copied, tag).await;
            }
        }
        Ok(Done { output: Output::Image(copied), reused })
    }

    /// Returns whether a tag was seen to mean the image when this run looked at it, a moment ago.
    fn was_seen(&self, cx: &Context, part: &str, image: &Image, target: &Target) -> bool {
        let Some(ObservedBuild { image: Some(seen), tag: Some(tag), .. }) = self.seen.builds.get(part) else {
            return false;
        };
        let is_it = seen.digest == image.digest && seen.store == target.store && *tag == target.tag;
        is_it
            && seen.repository == target.repository
            && cx.clock().elapsed().saturating_sub(self.begun) < MOMENT
    }
}
