//! The kubeconfig files of a user.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use shipway_core::{Context, Credentials, Error, Login, Result, Secret, SecretId, did_you_mean};

use super::config::contexts;

/// In bytes; far more than any honest kubeconfig has.
const LIMIT: u64 = 8 * 1024 * 1024;

/// The clusters of a user's kubeconfig files: of each context, the file that has it, which stands for itself.
///
/// Which files these are is the embedding program's to say; kubectl takes those that the variable `KUBECONFIG` names,
/// or else `~/.kube/config`. They are read when a cluster is asked for. A file that is not there is passed over.
///
/// ```
/// use shipway_cluster::Kubeconfig;
///
/// let credentials = Kubeconfig::new(["/home/ci/.kube/config"]);
/// # let _ = credentials;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Kubeconfig {
    files: Vec<PathBuf>,
}

impl Kubeconfig {
    /// Returns the clusters of these files; of a context that several have, the first file's counts.
    pub fn new<P: Into<PathBuf>>(files: impl IntoIterator<Item = P>) -> Self {
        Self { files: files.into_iter().map(Into::into).collect() }
    }
}

#[async_trait]
impl Credentials for Kubeconfig {
    async fn registry(&self, _cx: &Context, _host: &str) -> Result<Option<Login>> {
        Ok(None)
    }

    async fn cluster(&self, cx: &Context, context: &str) -> Result<Secret> {
        let mut known = Vec::new();
        for file in &self.files {
            let path = file.clone();
            let Some(text) = cx.blocking(move |cx| read(cx, &path)).await? else { continue };
            let names = contexts(&text).map_err(|error| error.note(format!("of `{}`", file.display())))?;
            if names.iter().any(|name| name == context) {
                return Ok(text.into());
            }
            known.extend(names);
        }
        let error = Error::not_found(format!("no kubeconfig has a context `{context}`"));
        Err(match (did_you_mean(context, known.iter().map(String::as_str)), self.files.is_empty()) {
            (Some(near), _) => error.hint(format!("did you mean `{near}`?")),
            (None, true) => error.hint("set `KUBECONFIG`, or keep it in `~/.kube/config`"),
            (None, false) => {
                let files: Vec<String> =
                    self.files.iter().map(|file| format!("`{}`", file.display())).collect();
                error.hint(format!(
                    "see `kubectl config get-contexts`; these files were read: {}",
                    files.join(", ")
                ))
            }
        })
    }

    async fn secret(&self, _cx: &Context, id: &SecretId) -> Result<Secret> {
        Err(Error::not_found(format!("there is no secret `{}`", id.as_str()))
            .note("a kubeconfig has clusters only"))
    }
}

fn read(cx: &Context, path: &Path) -> Result<Option<String>> {
    let mut text = String::new();
    let read = cx.disk().open(path).and_then(|file| file.take(LIMIT + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
        Ok(length) if length as u64 > LIMIT => {
            Err(Error::config(format!("`{}` has more than {LIMIT} bytes", path.display())))
        }
        Ok(_) => Ok(Some(text)),
    }
}
