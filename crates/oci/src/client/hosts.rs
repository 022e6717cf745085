//! Which host is spoken to how, and which may see what.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;
use shipway_core::{Error, Result};

/// Returns the URL that a registry's paths are below.
///
/// Plain HTTP is for loopback alone, as in Docker, unless the embedder says so.
pub(super) fn base_url(host: &str, plain: Option<bool>) -> Result<Url> {
    // Docker Hub's images are named by one host and served by another.
    let server = if host == "docker.io" { "registry-1.docker.io" } else { host };
    let scheme = if plain.unwrap_or_else(|| is_loopback_host(host)) { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{server}/v2/"))
        .map_err(|error| Error::config(format!("`{host}` is not a host")).source(error))
}

fn is_loopback_host(host: &str) -> bool {
    Url::parse(&format!("http://{host}/")).is_ok_and(|url| is_loopback(&url))
}

/// Returns whether a URL is of this machine: 127.0.0.0/8, ::1 or `localhost`.
pub(super) fn is_loopback(url: &Url) -> bool {
    match address(url) {
        Some(address) => is_loopback_address(address),
        None => url.host_str() == Some("localhost"),
    }
}

/// Returns whether a URL's host is a name that is this machine's for most resolvers (RFC 6761, section
/// 6.3); not enough to be believed, and enough to be wary of.
fn is_localhost(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

fn is_loopback_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
        }
    }
}

fn address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match v6 {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// Returns whether two URLs are of the same scheme, host and port: the only ones that share a
/// credential.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Returns whether a registry may send us on to a URL at all, without any credential.
///
/// HTTPS anywhere but to this machine and to link-local addresses, where clouds serve their
/// instances' credentials; a registry of this machine also to this machine.
pub(super) fn may_lead_to(registry: &Url, to: &Url) -> bool {
    if !to.username().is_empty() || to.password().is_some() {
        return false;
    }
    if same_origin(registry, to) {
        return true;
    }
    let link_local = match address(to) {
        Some(IpAddr::V4(address)) => address.is_link_local() || address.is_unspecified(),
        Some(IpAddr::V6(address)) => {
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_link_local())
        }
        None => false,
    };
    match to.scheme() {
        _ if link_local => false,
        "https" => is_loopback(registry) || !(is_loopback(to) || is_localhost(to)),
        "http" => registry.scheme() == "http" && is_loopback(registry) && is_loopback(to),
        _ => false,
    }
}

/// The token servers on other hosts than their registries, both over HTTPS.
const TOKEN_SERVERS: [(&str, &str); 2] =
    [("registry-1.docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

/// Returns whether a registry's login may be shown to the token server that it names.
///
/// That is the registry itself, or one that is known to belong to it. No rule about names can tell
/// more: hosts of one domain may be strangers to each other, and ports of one address too.
pub(super) fn may_see_login(registry: &Url, realm: &Url) -> bool {
    let https = |url: &Url, host: &str| {
        url.scheme() == "https" && url.port().is_none() && url.host_str() == Some(host)
    };
    same_origin(registry, realm)
        || TOKEN_SERVERS.iter().any(|(own, theirs)| https(registry, own) && https(realm, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn plain_http_is_for_loopback_alone() {
        for (host, base) in [
            ("localhost", "http://localhost/v2/"),
            ("localhost:5000", "http://localhost:5000/v2/"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/"),
            ("127.8.9.1", "http://127.8.9.1/v2/"),
            ("[::1]:5000", "http://[::1]:5000/v2/"),
            ("docker.io", "https://registry-1.docker.io/v2/"),
            ("10.0.0.1:5000", "https://10.0.0.1:5000/v2/"),
            ("registry.example", "https://registry.example/v2/"),
            ("localhost.example", "https://localhost.example/v2/"),
            ("127.0.0.1.example", "https://127.0.0.1.example/v2/"),
        ] {
            assert_eq!(base_url(host, None).expect(host).as_str(), base);
        }
        assert_eq!(base_url("r.example:5000", Some(true)).expect("a host").scheme(), "http");
        assert_eq!(base_url("localhost:5000", Some(false)).expect("a host").scheme(), "https");
    }

    #[test]
    fn where_a_registry_may_lead() {
        let table = [
            ("https://r.example", "https://r.example/x", true),
            ("https://r.example", "https://cdn.example/x", true),
            ("https://r.example", "http://r.example/x", false),
            ("https://r.example", "http://cdn.example/x", false),
            ("https://r.example", "https://user@cdn.example/x", false),
            ("https://r.example", "https://127.0.0.1/x", false),
            ("https://r.example", "https://[::ffff:127.0.0.1]/x", false),
            ("https://r.example", "https://localhost/x", false),
            ("https://r.example", "https://169.254.169.254/x", false),
            ("https://r.example", "https://[fe80::1]/x", false),
            ("https://r.example", "file:///etc/passwd", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/x", true),
            ("https://127.0.0.1:5000", "http://127.0.0.1:5001/x", false),
            ("http://r.example:5000", "http://r.example:5000/x", true),
            ("http://r.example:5000", "http://r.example:5001/x", false),
            ("http://r.example:5000", "http://127.0.0.1/x", false),
            ("https://r.example", "https://localhost/x", false),
            ("https://r.example", "https://localhost./x", false),
            ("https://r.example", "https://a.localhost/x", false),
            ("http://127.0.0.1:5000", "http://169.254.169.254/x", false),
            ("http://127.0.0.1:5000", "http://cdn.example/x", false),
            ("http://127.0.0.1:5000", "https://cdn.example/x", true),
        ];
        for (registry, to, expected) in table {
            assert_eq!(may_lead_to(&url(registry), &url(to)), expected, "{registry} {to}");
        }
    }

    #[test]
    fn who_may_see_a_login() {
        let table = [
            ("https://r.example", "https://r.example/token", true),
            ("https://r.example:5000", "https://r.example:5000/token", true),
            ("https://r.example:5000", "https://r.example/token", false),
            ("https://registry-1.docker.io", "https://auth.docker.io/token", true),
            ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", true),
            ("https://registry-1.docker.io", "http://auth.docker.io/token", false),
            ("https://registry-1.docker.io", "https://auth.docker.io:444/token", false),
            ("https://registry-1.docker.io", "https://auth.docker.io.evil.net/token", false),
            ("https://registry-1.docker.io", "https://gitlab.com/token", false),
            ("https://auth.docker.io", "https://registry-1.docker.io/token", false),
            ("https://registry.a.example", "https://auth.a.example/token", false),
            ("https://registry.a.example", "https://a.example/token", false),
            ("https://a.herokuapp.com", "https://b.herokuapp.com/token", false),
            ("https://registry.a.co.uk", "https://auth.a.co.uk/token", false),
            ("https://a.co.uk", "https://b.co.uk/token", false),
            ("https://co.uk", "https://b.co.uk/token", false),
            ("https://a.azurecr.io", "https://b.azurecr.io/token", false),
            ("https://a.azurecr.io", "https://a.azurecr.io/token", true),
            ("https://r.example.com", "https://r.example.com.evil.net/token", false),
            ("https://r.example.com", "https://evilexample.com/token", false),
            ("https://r.example.com", "http://r.example.com/token", false),
            ("https://r", "https://s/token", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/token", true),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", false),
            ("https://10.0.0.1", "https://10.9.0.1/token", false),
        ];
        for (registry, realm, expected) in table {
            assert_eq!(may_see_login(&url(registry), &url(realm)), expected, "{registry} {realm}");
        }
    }
}
