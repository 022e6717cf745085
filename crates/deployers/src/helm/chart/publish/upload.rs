//! Charts at a server with ChartMuseum's interface, which Harbor had too: `/api/PATH/charts` for a repository at
//! `/PATH`.

use std::{net::IpAddr, time::Duration};

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header::CONTENT_TYPE};
use serde::Deserialize;
use shipway_core::{Context, Error, ErrorKind, Result};

use super::{super::pulled::url, HelmChart};
use crate::manifests::{authority, client, shown, unreachable};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A longer answer is not about one chart.
const LONGEST: usize = 1024 * 1024;

/// What the server says of a chart's version.
#[derive(Deserialize)]
struct Known {
    #[serde(default)]
    digest: String,
}

impl HelmChart {
    /// Uploads the chart to the repository at a URL of a server with ChartMuseum's interface, with the login that the
    /// context's credentials have for its host.
    ///
    /// # Errors
    /// `Config` for a URL with a login in it, and for one of plain HTTP unless it is of this machine; `Conflict` when
    /// there is another chart of this version; `Auth`, `NotFound`, `Unavailable` and `BadOutput` by what the server
    /// answers; `Timeout` and `Cancelled`.
    pub async fn upload(&self, cx: &Context, repository: &str) -> Result<()> {
        let repository = url(repository)?;
        if repository.scheme() != "https" && !(repository.scheme() == "http" && is_here(&repository)) {
            return Err(Error::config(format!("`{}` can be changed on its way", shown(&repository)))
                .hint("use `https`"));
        }
        tokio::select! {
            uploaded = self.upload_to(cx, &repository) => uploaded,
            stopped = cx.stopped() => Err(stopped),
            () = cx.clock().sleep(PATIENCE) => {
                let message = format!("`{}` takes longer than {} s", shown(&repository), PATIENCE.as_secs());
                Err(Error::timeout(message).retry(true))
            }
        }
    }

    async fn upload_to(&self, cx: &Context, repository: &Url) -> Result<()> {
        let client = client(repository.scheme() == "https")?;
        let login = cx.login(&authority(repository)).await?;
        let request = |method: Method, url: Url| -> RequestBuilder {
            let request = client.request(method, url);
            match &login {
                Some(login) => request.basic_auth(&login.username, Some(login.password.expose())),
                None => request,
            }
        };
        let known = place(repository, &[self.name(), self.version()])?;
        if self.is_there(request(Method::GET, known.clone()), &known).await? {
            return Ok(());
        }
        let mut charts = place(repository, &[])?;
        if self.replace {
            charts.set_query(Some("force"));
        }
        let (kind, body) = self.form();
        let sent = request(Method::POST, charts.clone()).header(CONTENT_TYPE, kind).body(body).send().await;
        let answer = sent.map_err(|error| unreachable(&charts, error))?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => Ok(()),
            // Another was quicker, or does not tell what it has.
            StatusCode::CONFLICT => match self.is_there(request(Method::GET, known.clone()), &known).await? {
                true => Ok(()),
                false => Err(self.other_at(repository)),
            },
            status => Err(refused(&charts, status, &text(answer, &charts).await?)),
        }
    }

    /// Asks whether this very chart is there; another one of the version is a `Conflict`, where it is not replaced.
    async fn is_there(&self, request: RequestBuilder, at: &Url) -> Result<bool> {
        let answer = request.send().await.map_err(|error| unreachable(at, error))?;
        let status = answer.status();
        let text = text(answer, at).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(false),
            StatusCode::OK => {
                let known: Known = serde_json::from_str(&text).map_err(|error| {
                    Error::bad_output(format!("`{}` does not answer as ChartMuseum does", shown(at)))
                        .source(error)
                })?;
                match known.digest.trim_start_matches("sha256:") == self.hex() {
                    true => Ok(true),
                    false if self.replace => Ok(false),
                    false => Err(self.other_at(at)),
                }
            }
            status => Err(refused(at, status, &text)),
        }
    }

    /// Returns the archive as the one file of a form, which both servers take.
    fn form(&self) -> (String, Vec<u8>) {
        // It is in no archive: that one's own digest would be in it.
        let boundary = format!("shipway-{}", &self.hex()[..48]);
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"chart\"; filename=\"{}\"\r\n\
             Content-Type: application/gzip\r\n\r\n",
            self.file_name()
        );
        let body = [head.as_bytes(), self.archive(), format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        (format!("multipart/form-data; boundary={boundary}"), body)
    }

    fn other_at(&self, repository: &Url) -> Error {
        let (name, version) = (self.name(), self.version());
        Error::conflict(format!("`{}` has another chart `{name} {version}`", shown(repository)))
            .hint("give this one another version, or let it replace the other")
    }
}

/// Returns a URL of the repository's interface.
fn place(repository: &Url, rest: &[&str]) -> Result<Url> {
    let mut place = repository.clone();
    place.set_query(None);
    place.set_fragment(None);
    place.set_path(&format!("/api{}/charts", repository.path().trim_end_matches('/')));
    let Ok(mut steps) = place.path_segments_mut() else {
        return Err(Error::config(format!("`{}` is no repository of charts", shown(repository))));
    };
    steps.extend(rest);
    drop(steps);
    Ok(place)
}

fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

async fn text(mut answer: Response, at: &Url) -> Result<String> {
    let mut content = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(at, error))? {
        if content.len() + chunk.len() > LONGEST {
            return Err(Error::bad_output(format!("`{}` answers with more than {LONGEST} bytes", shown(at))));
        }
        content.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&content).into_owned())
}

fn refused(at: &Url, status: StatusCode, said: &str) -> Error {
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Auth,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ErrorKind::NotFound,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => ErrorKind::Unavailable,
        status if status.is_server_error() => ErrorKind::Unavailable,
        _ => ErrorKind::BadOutput,
    };
    let error = Error::new(kind, format!("`{}` answers with status {}", shown(at), status.as_u16()));
    let error = match said.trim() {
        "" => error,
        said => error.note(format!("it says `{}`", said.chars().take(200).collect::<String>())),
    };
    match kind {
        ErrorKind::Auth => error.hint("hand over a login for this host that may write there"),
        ErrorKind::NotFound => {
            error.hint("name the URL of a repository whose server has ChartMuseum's interface")
        }
        _ => error,
    }
}
