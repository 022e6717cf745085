//! Charts from elsewhere: each is pulled once in a run, and one of an exact version once for all runs.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Url;
use shipway_core::{Context, Error, Result};

use super::{
    archive,
    lock::is_alias,
    metadata::is_name,
    version::{Range, Version},
};
use crate::manifests::shown;

/// What the keys of kept archives begin with; whoever changes what is kept changes the number.
const KEPT: &str = "helm chart 1";

/// Pulls the archive of one chart.
#[async_trait]
pub(crate) trait Pull: Sync {
    /// Returns the archive, unchecked.
    ///
    /// The name is that of a chart in the `repository`, which is a URL or, as helm's own configuration calls it,
    /// `@name` or `alias:name`; or it is `oci://host/path/name`, and there is no repository. All of them are checked
    /// not to be options of a program, and to have no login in them. The version may be a range; without one it is
    /// the newest.
    async fn pull(
        &self,
        cx: &Context,
        name: &str,
        repository: Option<&str>,
        version: Option<&str>,
    ) -> Result<Vec<u8>>;
}

/// A chart that is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    name: String,
    repository: Option<String>,
    version: Option<String>,
    /// The place as people may see it.
    shown: String,
}

/// An archive that was pulled and checked.
#[derive(Clone)]
pub(super) struct Pulled {
    pub(super) archive: Bytes,
    /// The version that it is of.
    pub(super) version: String,
}

impl Wanted {
    /// Returns the chart of a name, a repository and a version, each as somebody wrote it.
    ///
    /// # Errors
    /// `Config` when one of them has a wrong form, or there is a login in a URL.
    pub(super) fn new(name: &str, repository: Option<&str>, version: Option<&str>) -> Result<Self> {
        let version = version.filter(|version| !version.is_empty());
        if let Some(version) = version
            && Range::parse(version).is_none()
        {
            let message = format!("`{}` is no range of versions", version.escape_debug());
            return Err(Error::config(message).hint("write `1.2.3`, `^1.2`, `~1.2.0`, `>=1.2 <2` or `*`"));
        }
        let wanted = |name: String, repository: Option<&str>, shown: String| Self {
            name,
            repository: repository.map(str::to_owned),
            version: version.map(str::to_owned),
            shown,
        };
        let Some(repository) = repository.filter(|repository| !repository.is_empty()) else {
            let url = url(name)?;
            let last = url.path().rsplit('/').next().unwrap_or_default();
            if url.scheme() != "oci" || !is_name(last) {
                return Err(Error::config(format!("`{}` says no repository of the chart", shown(&url)))
                    .hint("name a repository too, or write `oci://host/path/name`"));
            }
            return Ok(wanted(name.to_owned(), None, shown(&url)));
        };
        if !is_name(name) {
            return Err(Error::config(format!("`{}` is not the name of a chart", name.escape_debug())));
        }
        if is_alias(repository) {
            let alias = repository.trim_start_matches("alias:").trim_start_matches('@');
            if !is_name(alias) {
                let repository = repository.escape_debug();
                return Err(Error::config(format!("`{repository}` is not the name of a repository")));
            }
            return Ok(wanted(name.to_owned(), Some(repository), repository.to_owned()));
        }
        let url = url(repository)?;
        match url.scheme() {
            "oci" => {
                let place = format!("{}/{name}", repository.trim_end_matches('/'));
                Ok(wanted(place, None, format!("{}/{name}", shown(&url).trim_end_matches('/'))))
            }
            "https" | "http" => Ok(wanted(name.to_owned(), Some(repository), shown(&url))),
            _ => Err(Error::unsupported(format!("`{}` is no repository of charts", shown(&url)))
                .hint("it is `https://…`, `oci://…`, or for a dependency `file://…`")),
        }
    }

    /// Returns the name that the chart must say it has.
    fn chart(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// Returns what decides which chart it is, without what may be a credential.
    pub(super) fn facts(&self) -> [(String, String); 2] {
        let place = [Some(self.name.as_str()), self.repository.as_deref()].map(Option::unwrap_or_default);
        let version = self.version.clone().unwrap_or_else(|| "the newest".to_owned());
        let place = shipway_oci::digest_of(place.join("\n").as_bytes()).to_string();
        [("chart".to_owned(), place), ("chart version".to_owned(), version)]
    }

    /// Returns the archive: that of this run, else the one that is kept, else it is pulled.
    ///
    /// # Errors
    /// What pulling it says; `BadOutput` when it is another chart or version, or not taken
    /// ([`archive::read`]).
    pub(super) async fn archive(&self, cx: &Context, helm: &dyn Pull) -> Result<Pulled> {
        let [name, repository, version] = [Some(&self.name), self.repository.as_ref(), self.version.as_ref()]
            .map(|part| part.map_or("", |part| part));
        let key = format!("{KEPT}\n{repository}\n{name}\n{version}");
        let pulled = cx.once(&key, self.kept_or_pulled(cx, helm, &key)).await?;
        Ok(Pulled::clone(&pulled))
    }

    async fn kept_or_pulled(&self, cx: &Context, helm: &dyn Pull, key: &str) -> Result<Pulled> {
        // What a range or helm's own name stands for may be another tomorrow.
        let lasts = self.version.as_deref().is_some_and(Version::is_exact)
            && !self.repository.as_deref().is_some_and(is_alias);
        if let Some(cache) = cx.cache().filter(|_| lasts) {
            let (cache, key, wanted) = (Arc::clone(cache), key.to_owned(), self.clone());
            // What goes wrong with it is as if it were not there.
            let kept = cx.blocking(move |_| {
                Ok(cache.load(&key).ok().flatten().and_then(|kept| wanted.check(kept.into()).ok()))
            });
            if let Some(kept) = kept.await? {
                return Ok(kept);
            }
        }
        let pulled = helm.pull(cx, &self.name, self.repository.as_deref(), self.version.as_deref()).await?;
        let (wanted, key) = (self.clone(), key.to_owned());
        cx.blocking(move |cx| {
            let pulled = wanted.check(pulled.into());
            let pulled = pulled.map_err(|error| error.note(format!("it is from `{}`", wanted.shown)))?;
            if let Some(cache) = cx.cache().filter(|_| lasts) {
                // Without it the next run pulls it again.
                let _ = cache.store(&key, &pulled.archive);
            }
            Ok(pulled)
        })
        .await
    }

    /// Checks that an archive is of the chart.
    fn check(&self, archive: Bytes) -> Result<Pulled> {
        let (metadata, _) = archive::read(self.chart(), &archive)?;
        let fits = self.version.as_deref().is_none_or(|wanted| fits(wanted, &metadata.version));
        if *metadata.name != *self.chart() || !fits {
            let wanted = self.version.as_deref().unwrap_or_default();
            let message = format!(
                "chart `{} {wanted}` was asked for, and `{} {}` came",
                self.chart(),
                metadata.name,
                metadata.version
            );
            return Err(Error::bad_output(message).hint("look at the repository's `index.yaml` or tags"));
        }
        Ok(Pulled { archive, version: metadata.version.0 })
    }
}

/// Whether a version is the one, or in the range, that was asked for.
pub(super) fn fits(wanted: &str, version: &str) -> bool {
    let Some(version) = Version::parse(version) else { return false };
    match Version::parse(wanted).filter(|_| Version::is_exact(wanted)) {
        Some(wanted) => wanted == version,
        None => Range::parse(wanted).is_some_and(|range| range.holds(&version)),
    }
}

/// Reads a URL that may be an argument of a program.
pub(super) fn url(text: &str) -> Result<Url> {
    let plain = !text.contains(|c: char| c.is_control() || c.is_whitespace());
    // What is no URL may hold a password all the same, so it is not shown.
    let Some(url) = Url::parse(text).ok().filter(|url| plain && url.has_host()) else {
        return Err(Error::config("the place of a chart is not a URL").hint(
            "a repository is `https://…`, `oci://…` or, as `helm repo add` called it, `@name`; a folder is a path",
        ));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::config(format!("the address `{}` has a login in it", shown(&url)))
            .hint("hand over a login for this host to the credentials instead"));
    }
    Ok(url)
}

/// Pulls nothing: for who has no program for it.
#[derive(Debug)]
pub(super) struct Nobody;

#[async_trait]
impl Pull for Nobody {
    async fn pull(&self, _: &Context, name: &str, _: Option<&str>, _: Option<&str>) -> Result<Vec<u8>> {
        let name = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
        Err(Error::unsupported(format!("the dependency `{name}` is not in the chart's folder `charts/`"))
            .hint("run `helm dependency build` in the chart's folder before"))
    }
}
