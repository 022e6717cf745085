//! From a chart and its values to the objects that are shown, and applied: of a record where it has them already, else by
//! `helm template`.

use std::{collections::BTreeSet, io::Read, path::PathBuf, sync::Arc};

use flate2::read::GzDecoder;
use shipway_cluster::Cluster;
use shipway_core::{Context, Error, ErrorKind, Level, Manifest, Manifests, Release, Result};
use shipway_yaml::Rules;

use super::{
    Helm,
    chart::{Chart, LoadOptions},
    objects::{self, Home, Rendered},
    program::Program,
    record::{self, Record},
    state::{self, FINGERPRINT, Made, Packed},
    values::{self, Variables},
};
use crate::{
    manifests::{Change, FieldRules, bound, unused},
    releases::hide_secrets,
};

/// What is looked at of an unpacked chart.
const LOOKED_AT: u64 = 64 << 20;

/// A chart with its values, as helm gets them. It is in the run's memory alone.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) chart: Chart,
    pub(super) values: Vec<Vec<u8>>,
    pub(super) packed: Packed,
    pub(super) fingerprint: String,
    /// The hooks, where the chart was rendered.
    pub(super) hooks: Option<Vec<Manifest>>,
}

impl Prepared {
    /// Loads the chart and makes the values.
    pub(super) async fn load(
        helm: &Helm,
        cx: &Context,
        program: &Program<'_>,
        release: &Release,
    ) -> Result<Self> {
        let variables = Variables::new(cx, &[])?;
        let expand = |text: &Option<String>| text.as_deref().map(|text| variables.expand(text)).transpose();
        let packaged = helm.options.packaged.clone().unwrap_or_default();
        let options = LoadOptions {
            version: expand(&packaged.version)?,
            app_version: expand(&packaged.app_version)?,
            build_dependencies: !helm.options.skip_build_dependencies,
        };
        let chart = helm.source(cx)?.load(cx, program, &options).await?;
        let values = values::files(cx, &helm.options, &release.images).await?;
        let packed = Packed::of(values.iter().map(Vec::as_slice));
        let fingerprint = state::fingerprint(&helm.options, program.home, release, &chart, &packed);
        Ok(Self { chart, values, packed, fingerprint, hooks: None })
    }

    /// Returns what `render` keeps for `apply`, or loads it again in another process.
    ///
    /// # Errors
    /// `Conflict` when the chart or its values are others by now.
    pub(super) async fn again(
        helm: &Helm,
        cx: &Context,
        program: &Program<'_>,
        release: &Release,
        fingerprint: &str,
    ) -> Result<Arc<Self>> {
        let load = async {
            let loaded = Self::load(helm, cx, program, release).await?;
            match loaded.fingerprint == fingerprint {
                true => Ok(loaded),
                false => Err(Error::conflict(format!(
                    "the chart of `{}` or its values are not those that were shown",
                    program.home.name
                ))
                .hint("look at the changes again")),
            }
        };
        cx.once::<Self>(&key(program.home, fingerprint), Box::pin(load)).await
    }

    /// Writes the chart and its values where helm reads them, and returns the words that name them.
    pub(super) fn write(&self, cx: &Context) -> Result<(PathBuf, Vec<String>)> {
        let archive = cx.scratch_file("chart.tgz", &self.chart.archive)?;
        let mut words = Vec::new();
        for (at, file) in self.values.iter().enumerate() {
            let file = cx.scratch_file(&format!("values-{at}.yaml"), file)?;
            words.push(format!("--values={}", file.display()));
        }
        Ok((archive, words))
    }
}

/// Returns by what a run knows what it prepared.
fn key(home: &Home, fingerprint: &str) -> String {
    format!("{}/{} {fingerprint}", home.namespace, home.name)
}

pub(super) async fn render(helm: &Helm, cx: &Context, release: &Release) -> Result<Manifests> {
    let cluster = match helm.cluster(cx).await {
        // A chart can be looked at on a machine that does not know the cluster.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            cx.message(Level::Warning, format!("{error}: the chart is rendered without its cluster"));
            None
        }
        cluster => cluster?,
    };
    let home = helm.home(cx, &release.name, cluster.as_ref().map(Cluster::namespace))?;
    if let Some(other) = release.namespace.as_ref().filter(|namespace| **namespace != home.namespace) {
        return Err(Error::config(format!(
            "release `{}` is for namespace `{other}`, and its chart goes into `{}`",
            release.name, home.namespace
        ))
        .hint("name one of them"));
    }
    let records = match &cluster {
        Some(cluster) => record::records(cx, cluster, &home.namespace, &home.name).await?,
        None => Vec::new(),
    };
    let deployed = record::deployed(&records);
    let made = |objects: Vec<Manifest>, made: Made| {
        Ok(Manifests::new(release.clone()).objects(objects).state(Some(made.to_state()?)))
    };
    let upgrades = helm.options.upgrade_on_change.unwrap_or(helm.options.remote_chart.is_none());
    if let Some(deployed) = deployed.filter(|_| !upgrades) {
        let text = format!("`{}` is installed and stays as it is: `upgradeOnChange` is off", home.name);
        cx.message(Level::Info, text);
        return made(state::objects_of(deployed)?, Made::Kept(deployed.revision));
    }
    let program = helm.start(cx, &home, cluster.is_some()).await?;
    let mut prepared = Prepared::load(helm, cx, &program, release).await?;
    let label = format!("{}-{}", prepared.fingerprint, program.print(cx).await?);
    let same = |record: &&Record| record.label(FINGERPRINT) == Some(label.as_str());
    let objects = match deployed.filter(same) {
        Some(record) if state::is_of(record, &prepared.fingerprint)? => state::objects_of(record)?,
        _ => {
            let drawn = Templates { helm, program: &program, cluster: cluster.as_ref(), release };
            let rendered = drawn.render(cx, &prepared, deployed.is_some()).await?;
            prepared.hooks = Some(rendered.hooks);
            rendered.objects
        }
    };
    hide(cx, &objects)?;
    let from = Made::From {
        chart: format!("{} {}", prepared.chart.name, prepared.chart.version),
        archive: Packed { digest: prepared.chart.digest.clone(), size: prepared.chart.archive.len() },
        values: prepared.packed.clone(),
        fingerprint: prepared.fingerprint.clone(),
        rendered: state::print_of(&objects)?,
    };
    let key = key(&home, &prepared.fingerprint);
    cx.once::<Prepared>(&key, async { Ok(prepared) }).await?;
    made(objects, from)
}

/// Hides what the secrets among the objects hold, wherever helm would tell it.
pub(super) fn hide(cx: &Context, manifests: &[Manifest]) -> Result<()> {
    let mut secrets = Vec::new();
    for manifest in manifests.iter().filter(|manifest| manifest.object.kind == "Secret") {
        for document in shipway_yaml::parse(manifest.object.to_string(), &manifest.text)? {
            secrets.push((manifest.object.clone(), document.to_json(Rules::Manifest)?));
        }
    }
    hide_secrets(cx, secrets.iter().map(|(id, object)| (id, object)));
    Ok(())
}

/// The templates of a release's chart.
pub(super) struct Templates<'a> {
    pub(super) helm: &'a Helm,
    pub(super) program: &'a Program<'a>,
    pub(super) cluster: Option<&'a Cluster>,
    pub(super) release: &'a Release,
}

impl Templates<'_> {
    /// Renders them by `helm template`, with the images of the release where they are named, and its labels.
    pub(super) async fn render(&self, cx: &Context, prepared: &Prepared, upgrade: bool) -> Result<Rendered> {
        let options = &self.helm.options;
        let (archive, values) = prepared.write(cx)?;
        let (archive, home) = (archive.display().to_string(), &self.program.home);
        let mut words = vec!["template".to_owned(), home.name.clone(), archive];
        words.extend(values);
        words.extend(options.flags.template.iter().cloned());
        if upgrade {
            words.push("--is-upgrade".to_owned());
        }
        if options.skip_tests {
            words.push("--skip-tests".to_owned());
        }
        let asks = Asks::of(&prepared.chart.archive);
        if let Some(cluster) = self.cluster {
            if asks.objects {
                words.push("--dry-run=server".to_owned());
            }
            if asks.capabilities {
                let (version, kinds) = cluster.capabilities(cx).await?;
                words.push(format!("--kube-version={version}"));
                words.push(format!("--api-versions={}", kinds.join(",")));
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let exit = self.program.run(cx, &words, true).await?;
        let file = format!("chart {}", prepared.chart.name);
        let mut rendered = objects::rendered(&file, &exit.stdout)?;
        self.bind(cx, &mut rendered).await?;
        Ok(rendered)
    }

    /// Binds the images of the release where they are named.
    async fn bind(&self, cx: &Context, rendered: &mut Rendered) -> Result<()> {
        let mut labels = self.helm.options.labels.clone();
        labels.extend(self.release.labels.clone());
        let rules = FieldRules::new(&self.helm.options.resource_selector);
        let change = Change { images: &self.release.images, labels: &labels, rules: &rules };
        let mut used = self.named(&rendered.objects)?;
        for manifest in &mut rendered.objects {
            let with_images = bound(manifest, &change, &mut used)?;
            if let [respelled] = objects::respelled(&[with_images])?.as_slice() {
                manifest.clone_from(respelled);
            }
        }
        let mut unbound = Vec::new();
        for hook in &mut rendered.hooks {
            let mut images = BTreeSet::new();
            let with_images = bound(hook, &change, &mut images)?;
            if !images.is_empty() {
                unbound.push(hook.object.to_string());
            }
            used.extend(images);
            if let [respelled] = objects::respelled(&[with_images])?.as_slice() {
                hook.clone_from(respelled);
            }
        }
        used.extend(self.named(&rendered.hooks)?);
        if !unbound.is_empty() && !self.program.version(cx).await?.renders_hooks() {
            let text = format!(
                "helm 3 renders hooks itself, so that the images of {} stay as the chart has them: bring them by \
                 `setValueTemplates`, or use helm 4",
                unbound.join(", ")
            );
            cx.message(Level::Warning, text);
        }
        for unused in unused(&rendered.objects, &self.release.images, &used)? {
            cx.message(Level::Warning, unused.to_string());
        }
        Ok(())
    }

    /// Returns the names of the images whose digests came by values.
    fn named(&self, manifests: &[Manifest]) -> Result<std::collections::BTreeSet<String>> {
        let has = |digest: &str| manifests.iter().any(|manifest| manifest.text.contains(digest));
        let images = self.release.images.iter().filter(|image| has(image.digest.hex()));
        Ok(images.map(|image| image.name.clone()).collect())
    }
}

/// What a chart's templates ask the cluster for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asks {
    /// Its version and kinds.
    capabilities: bool,
    /// What it has.
    objects: bool,
}

impl Asks {
    /// Looks through a packed chart: what is asked for in vain costs a request, and what is not asked for is not there.
    fn of(archive: &[u8]) -> Self {
        let mut text = Vec::new();
        // What cannot be unpacked is for helm to say.
        let whole = GzDecoder::new(archive).take(LOOKED_AT).read_to_end(&mut text).is_ok();
        let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
        // A chart in a chart may be packed.
        let inner = has(b".tgz");
        Self {
            capabilities: !whole || inner || has(b".Capabilities") || has(b"kubeVersion:"),
            objects: has(b"lookup \"") || has(b"(lookup ") || has(b" lookup "),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn a_chart_says_what_it_asks_the_cluster_for() {
        let packed = |text: &str| {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(text.as_bytes()).unwrap();
            packed.finish().unwrap()
        };
        for (text, capabilities, objects) in [
            ("{{ .Values.a }}", false, false),
            ("{{ if .Capabilities.APIVersions.Has \"a/v1\" }}", true, false),
            ("{{ $s := lookup \"v1\" \"Secret\" .Release.Namespace \"a\" }}", false, true),
            ("charts/db-1.tgz", true, false),
            ("kubeVersion: '>=1.30'", true, false),
        ] {
            assert_eq!(Asks::of(&packed(text)), Asks { capabilities, objects }, "{text}");
        }
    }
}
