//! Docker's credential helpers (docker/docker-credential-helpers): a program that is told a server and
//! answers with a login.

use std::time::Duration;

use serde::Deserialize;
use shipway_core::{Command, Context, Error, ErrorKind, Login, LoginKind, Result};

/// How long a helper may take; one that waits for somebody to type does not end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes of an answer.
const LIMIT: usize = 64 * 1024;

/// The user's name that says that the secret is an identity token.
const TOKEN: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks a helper for the login for a server; none when it has none.
pub(super) async fn ask(cx: &Context, program: &str, server: &str) -> Result<Option<Login>> {
    let command = Command::new(program).args(vec!["get".to_owned()]).stdin(server.to_owned()).capture(true);
    let exit = tokio::select! {
        exit = cx.run(command) => exit?,
        () = cx.clock().sleep(PATIENCE) => {
            return Err(Error::new(ErrorKind::Unavailable, format!("`{program}` does not answer"))
                .note(format!("it was asked for the login for `{server}` and has said nothing for {} s",
                    PATIENCE.as_secs()))
                .hint("see whether it waits for a key or a password to be typed"));
        }
    };
    if exit.code != 0 {
        // docker-credential-helpers, credentials/error.go: it says so on standard output.
        if exit.stdout.trim() == "credentials not found in native keychain" {
            return Ok(None);
        }
        // What else it wrote there is not shown: it is where secrets come.
        return exit.success(program).map(|_| None);
    }
    let wrong = |what: &str| Error::bad_output(format!("the answer of `{program}` {what}"));
    if exit.stdout.len() > LIMIT {
        return Err(wrong("is too long").note(format!("more than {LIMIT} bytes")));
    }
    let Answer { username, secret } =
        serde_json::from_str(&exit.stdout).map_err(|_| wrong("is not what a credential helper says"))?;
    Ok(match (username.as_str(), secret.as_str()) {
        (_, "") => None,
        (TOKEN, token) => Some(Login::token(LoginKind::IdentityToken, token)),
        (username, password) => Some(Login::new(username, password)),
    })
}
