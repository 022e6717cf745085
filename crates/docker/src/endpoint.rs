//! Where an engine listens, as `DOCKER_HOST` and `Store::Daemon` write it.

use std::{fmt, path::PathBuf, str::FromStr};

use shipway_core::{Error, Result};

/// Where an engine listens: `unix:///path/to/socket` or `tcp://host:port`.
///
/// ```
/// let endpoint: shipway_docker::Endpoint = "unix:///var/run/docker.sock".parse()?;
/// assert_eq!(endpoint.to_string(), "unix:///var/run/docker.sock");
/// assert!("ssh://builder.example".parse::<shipway_docker::Endpoint>().is_err());
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Endpoint {
    /// A socket of this machine.
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |hint: &str| {
            Error::config(format!("`{text}` is not an endpoint of an engine")).hint(hint.to_owned())
        };
        const FORM: &str = "write `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`";
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') && !path.contains('\0') => {
                Ok(Self::Unix(PathBuf::from(path)))
            }
            Some(("tcp" | "http", address)) => {
                let address = address.trim_end_matches('/');
                let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
                match port.map(|(_, port)| port.parse::<u16>()) {
                    Some(Ok(_)) if !address.contains('/') => Ok(Self::Tcp(address.to_owned())),
                    _ => Err(wrong(FORM)),
                }
            }
            Some(("https" | "ssh" | "npipe" | "fd", _)) => {
                Err(wrong("forward it to a socket of this machine, such as with `ssh -L`, and name that"))
            }
            _ => Err(wrong(FORM)),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_sockets_or_addresses_with_a_port() {
        for (text, shown) in [
            ("unix:///run/docker.sock", "unix:///run/docker.sock"),
            ("tcp://127.0.0.1:2375/", "tcp://127.0.0.1:2375"),
            ("http://builder:2375", "tcp://builder:2375"),
            ("tcp://[::1]:2375", "tcp://[::1]:2375"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
        for text in
            ["", "/run/docker.sock", "unix://run/docker.sock", "tcp://builder", "tcp://:1", "https://a:1"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
