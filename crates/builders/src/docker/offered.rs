//! What a build may ask for by its options: secrets and an agent.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use shipway_core::{Context, Error, Result, Secret};

use super::BuildSecret;

/// The most bytes of a secret's file (moby/buildkit, `MaxSecretSize`).
const SECRET: usize = 500 * 1024;

/// Returns the secrets by their ids, each masked from now on.
pub(crate) async fn secrets(cx: &Context, secrets: &[BuildSecret]) -> Result<BTreeMap<String, Secret>> {
    let mut found = BTreeMap::new();
    for one in secrets {
        found.insert(one.id.clone(), secret(cx, one).await?);
    }
    Ok(found)
}

async fn secret(cx: &Context, secret: &BuildSecret) -> Result<Secret> {
    let value = match (&secret.src, &secret.env, secret.credential()?) {
        (Some(file), _, _) => {
            let file = PathBuf::from(file);
            cx.blocking(move |cx| read_secret(cx, &file)).await?
        }
        (None, Some(variable), _) => {
            let value = cx.env(variable).ok_or_else(|| {
                Error::config(format!("the secret `{}` is in no variable `{variable}`", secret.id))
                    .hint("set it in the environment that the world was given")
            })?;
            Secret::from(value)
        }
        (None, None, Some(id)) => return cx.secret(&id).await,
        (None, None, None) => return Err(Error::internal("a secret of a build comes from nowhere")),
    };
    cx.mask(&value);
    Ok(value)
}

/// Reads a file that holds a secret; blocking.
pub(crate) fn read_secret(cx: &Context, file: &Path) -> Result<Secret> {
    let (folder, name) = (file.parent().unwrap_or(Path::new("")), file.file_name().unwrap_or_default());
    let bytes = cx.files().open(cx, folder, &name.to_string_lossy())?.read(SECRET)?;
    String::from_utf8(bytes)
        .map(Secret::from)
        .map_err(|_| Error::config(format!("the secret in `{}` is not text", file.display())))
}

/// Reads `default`, or `id=/path/of/socket`.
pub(crate) fn agent(cx: &Context, ssh: &str) -> Result<(String, PathBuf)> {
    match ssh.split_once('=') {
        Some((id, socket)) => Ok((id.to_owned(), cx.path(Path::new(socket)))),
        None => {
            let socket = cx.env("SSH_AUTH_SOCK").ok_or_else(|| {
                Error::config(format!("`ssh` is `{ssh}`, and the environment has no `SSH_AUTH_SOCK`"))
                    .hint("start an agent and hand its variable to the world, or write `id=/path/of/socket`")
            })?;
            Ok((ssh.to_owned(), PathBuf::from(socket)))
        }
    }
}
