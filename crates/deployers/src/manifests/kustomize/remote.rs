//! Which names kustomize fetches from elsewhere.

/// Whether kustomize, of any version since 3, takes a name for an address or a repository, be there a file of that name or
/// not (kustomize: `internal/git/repospec.go`, `extractHost`; `internal/loader/fileloader.go`, `IsRemoteFile`).
pub(super) fn is_remote(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let begins = ["git::", "gh:", "http:", "https:", "ssh:", "git:", "file:", "github.com/", "github.com:"];
    let word = |text: &str, more: &[u8]| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    begins.iter().any(|begin| lower.starts_with(begin))
        || lower.split_once("://").is_some_and(|(scheme, _)| word(scheme, b"+.-"))
        || lower.split_once('@').is_some_and(|(user, _)| word(user, b"-_."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_elsewhere_is_known_however_it_is_written() {
        for name in [
            "https://github.com/org/repo//base?ref=v1",
            "HTTPS://example.org/a.yaml",
            "https:example.org",
            "http://169.254.169.254/latest",
            "file:///etc",
            "ssh://git@host/repo",
            "git::https://host/repo",
            "git@github.com:org/repo",
            "me@host:repo.git",
            "github.com/org/repo",
            "GitHub.com:org/repo",
            "gh:org/repo",
            "s3://bucket/a",
        ] {
            assert!(is_remote(name), "{name}");
        }
        for name in [
            "../base",
            "a.yaml",
            "./github.com/org/repo",
            "apiVersion: v1\nkind: X\nurl: https://a",
            "a/b@2x.yaml",
            "",
        ] {
            assert!(!is_remote(name), "{name}");
        }
    }
}
