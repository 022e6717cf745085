//! Images that a node does not get: what the kubelet and containerd say, taken apart.

use super::{said, trouble::Outlook};

/// Why an image did not come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What was said, without the programs that passed it on.
    pub(super) said: String,
    /// What a person may do.
    pub(super) hint: Option<&'static str>,
    pub(super) outlook: Outlook,
}

/// What the programs between the registry and us put before its answer (kubelet's `image_manager.go`, containerd's
/// `pull.go`, the Docker engine). What stands in quotes there is the image.
const WRAPPED: [&str; 11] = [
    "Back-off pulling image \"*\"",
    "Failed to pull image \"*\"",
    "ErrImagePull",
    "rpc error: code = * desc = ",
    "failed to pull and unpack image \"*\"",
    "failed to resolve reference \"*\"",
    "failed to resolve image \"*\"",
    "failed to copy",
    "httpReadSeeker",
    "Error response from daemon",
    "unexpected status from HEAD request to ",
];

/// What a message may hold, what a person may do then, and whether it may pass.
const KNOWN: [(&[&str], Option<&str>, Outlook); 7] = [
    (
        &["server gave HTTP response to HTTPS client"],
        Some("the node's container runtime must know that this registry speaks plain HTTP"),
        Outlook::Failing,
    ),
    (
        &["x509:", "certificate"],
        Some("the node's container runtime must trust the registry's certificate"),
        Outlook::Failing,
    ),
    (
        &["no match for platform", "no matching manifest for"],
        Some("the image is for other platforms than the node's"),
        Outlook::Failing,
    ),
    (
        &["toomanyrequests", "429 Too Many Requests", "rate limit"],
        Some("the registry limits pulls: log in by `imagePullSecrets`, or wait"),
        Outlook::Waiting,
    ),
    (
        &[
            "pull access denied",
            "unauthorized",
            "401 Unauthorized",
            "403 Forbidden",
            "authentication required",
            "denied",
        ],
        Some("the image is not there, or the node needs a login: name one in `imagePullSecrets`"),
        Outlook::Failing,
    ),
    (
        &["not found", "manifest unknown", "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "404 Not Found"],
        Some("push it there, or correct the reference"),
        Outlook::Failing,
    ),
    (
        &[
            "timeout",
            "deadline exceeded",
            "connection refused",
            "connection reset",
            "no such host",
            "no route to host",
            "EOF",
            "registry is unavailable",
            "500 ",
            "502 ",
            "503 ",
            "504 ",
            "try again",
            "network is unreachable",
            "no space left",
            "pull QPS exceeded",
            "temporary failure",
        ],
        None,
        Outlook::Waiting,
    ),
];

/// Takes apart what was said of an image; `None` when nothing was but that it is tried again.
pub(super) fn refusal(image: &str, message: &str) -> Option<Refusal> {
    let said = unwrapped(message);
    let said = said.strip_prefix(image).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(said);
    let said = said::line(said.trim_end_matches('.'));
    if said.is_empty() {
        return None;
    }
    let known = KNOWN.iter().find(|(words, ..)| words.iter().any(|word| said.contains(word)));
    let (hint, outlook) = known.map_or((None, Outlook::Failing), |(_, hint, outlook)| (*hint, *outlook));
    Some(Refusal { said, hint, outlook })
}

fn unwrapped(message: &str) -> &str {
    let mut rest = message.trim();
    loop {
        let Some(inner) = WRAPPED.iter().find_map(|pattern| after(rest, pattern)) else { return rest };
        rest = inner.trim_start_matches([':', ' ']);
    }
}

/// Returns what comes after a pattern with one `*`, which stands for any text.
fn after<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    match pattern.split_once('*') {
        None => text.strip_prefix(pattern),
        Some((before, end)) => text.strip_prefix(before)?.split_once(end).map(|(_, rest)| rest),
    }
}

/// Returns the registry of an image's reference (distribution's `ParseNormalizedNamed`).
pub(super) fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_read_from_references() {
        for (image, host) in [
            ("nginx", "docker.io"),
            ("library/nginx:1", "docker.io"),
            ("r.example/web", "r.example"),
            ("localhost/web", "localhost"),
            ("r:5000/a/b@sha256:c", "r:5000"),
        ] {
            assert_eq!(registry(image), host);
        }
    }

    #[test]
    fn what_passes_messages_on_is_taken_off() {
        let of = |message: &str| refusal("web", message).map(|refusal| refusal.said);
        assert_eq!(of("Back-off pulling image \"web\""), None);
        assert_eq!(of("ErrImagePull: rpc error: code = Unknown desc = web: gone."), Some("gone".to_owned()));
        assert_eq!(of("something else"), Some("something else".to_owned()));
    }
}
