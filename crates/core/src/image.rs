//! Images and the stores that hold them. An image is known by its digest in one store; a tag is a
//! label for people.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    value::{name, value},
};

name! {
    /// A content digest, `sha256:` and 64 hexadecimal digits in lower case, or the same with
    /// `sha512:` and 128 (OCI image-spec, descriptor.md, "Digests").
    pub struct Digest(check_digest);
}

fn check_digest(text: &str) -> Result<()> {
    let lower_hex = |hex: &str| hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match text.split_once(':') {
        Some(("sha256", hex)) if hex.len() == 64 && lower_hex(hex) => Ok(()),
        Some(("sha512", hex)) if hex.len() == 128 && lower_hex(hex) => Ok(()),
        _ => Err(Error::config(format!("`{text}` is not a digest"))
            .hint("a digest is `sha256:` and 64 hexadecimal digits in lower case")),
    }
}

impl Digest {
    /// Returns the algorithm, `sha256` or `sha512`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.as_str().split(':').next().unwrap_or_default()
    }

    /// Returns the hexadecimal part.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.as_str().split(':').nth(1).unwrap_or_default()
    }

    /// Returns the first 12 hexadecimal digits, as people read them.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }
}

name! {
    /// A tag, `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}` (OCI distribution-spec, "Pulling manifests").
    pub struct Tag(check_tag);
}

fn check_tag(text: &str) -> Result<()> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    if bytes.len() > 128 {
        return Err(Error::config(format!("tag `{text}` has {} characters", bytes.len()))
            .hint("a tag has at most 128 characters"));
    }
    match bytes.first() {
        Some(&first)
            if word(first) && bytes.iter().all(|&byte| word(byte) || byte == b'.' || byte == b'-') =>
        {
            Ok(())
        }
        _ => Err(Error::config(format!("`{text}` is not a tag"))
            .hint("a tag begins with a letter, a digit or `_`, and goes on with those, `.` and `-`")),
    }
}

/// An operating system and a processor architecture, such as `linux/amd64` or `linux/arm/v7`.
///
/// The words are Go's `GOOS` and `GOARCH` (OCI image-spec, config.md). A text is read as containerd does
/// (`platforms.Parse`), so that each platform has one spelling: `linux/aarch64`, `linux/arm64/v8` and
/// `arm64` are `linux/arm64`, `linux/arm` is `linux/arm/v7`, and `linux` is Linux on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct Platform {
    /// The operating system, such as `linux`.
    pub os: String,
    /// The processor architecture, such as `amd64`.
    pub architecture: String,
    /// The variant of the architecture, such as `v7`.
    pub variant: Option<String>,
}

impl Platform {
    /// Returns the platform without a variant.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self { os: os.into(), architecture: architecture.into(), variant: None }
    }

    /// Returns `linux` on the architecture that this program was compiled for: the platform of
    /// containers on this machine.
    #[must_use]
    pub fn linux_here() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self::new("linux", architecture)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split('/').collect();
        let fine = |word: &&str| {
            word.starts_with(|first: char| first.is_ascii_alphanumeric())
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let normal = |os: &str, architecture: &str, variant: Option<&&str>| {
            let (architecture, variant) = normalize(architecture, variant.copied().unwrap_or_default());
            let variant = Some(variant.to_owned()).filter(|variant| !variant.is_empty());
            Self { os: os.to_owned(), architecture: architecture.to_owned(), variant }
        };
        match words.as_slice() {
            ["linux"] => Ok(Self::linux_here()),
            [architecture] if ARCHITECTURES.contains(&normalize(architecture, "").0) => {
                Ok(normal("linux", architecture, None))
            }
            [os, architecture, rest @ ..] if rest.len() < 2 && words.iter().all(fine) => {
                Ok(normal(os, architecture, rest.first()))
            }
            _ => Err(Error::config(format!("`{text}` is not a platform"))
                .hint("a platform is `os/architecture` or `os/architecture/variant`, such as `linux/amd64`")),
        }
    }
}

/// What may stand alone for a platform, because it can be no operating system.
const ARCHITECTURES: [&str; 10] =
    ["386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64le", "riscv64", "s390x"];

/// Returns an architecture and its variant in their usual spelling (containerd, platforms/database.go,
/// `normalizeArch`).
fn normalize<'a>(architecture: &'a str, variant: &'a str) -> (&'a str, &'a str) {
    match (architecture, variant) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    }
}

impl TryFrom<String> for Platform {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

/// Where images are held.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Store {
    /// Registries; the host is the first part of the image's repository.
    Registry,
    /// A container engine, by its endpoint, such as `unix:///var/run/docker.sock`.
    Daemon(String),
    /// An OCI image layout: a folder.
    Layout(PathBuf),
}

impl Store {
    /// Returns the kind of store, which is what plug-ins claim to read and write.
    #[must_use]
    pub fn kind(&self) -> StoreKind {
        match self {
            Self::Registry => StoreKind::Registry,
            Self::Daemon(_) => StoreKind::Daemon,
            Self::Layout(_) => StoreKind::Layout,
        }
    }
}

/// A [`Store`] without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreKind {
    /// Registries.
    Registry,
    /// A container engine.
    Daemon,
    /// An OCI image layout.
    Layout,
}

value! {
    /// Where an image is to go.
    #[derive(Eq)]
    pub struct Target {
        /// The store.
        pub store: Store,
        /// The repository: `host[:port]/path` in a registry, any name elsewhere.
        pub repository: String,
        /// The tag.
        pub tag: Tag,
        ;
    }
}

impl Target {
    /// Returns `repository:tag`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }
}

value! {
    /// An image that exists: a digest in a store.
    #[derive(Eq)]
    pub struct Image {
        /// The name that the pipeline gives it: the artifact's.
        pub name: String,
        /// The store that holds it.
        pub store: Store,
        /// The repository in that store.
        pub repository: String,
        /// The identity in that store: of the manifest or index; in a daemon, the image id.
        pub digest: Digest,
        ;
        /// A tag that points to it.
        pub tag: Option<Tag>,
        /// The platforms it has; empty when they are not known.
        pub platforms: Vec<Platform>,
    }
}

impl Image {
    /// Returns the reference that can never mean another image.
    ///
    /// `repository@digest`; in a daemon, where an id is no manifest digest, `repository:<hex id>`.
    #[must_use]
    pub fn reference(&self) -> String {
        match self.store {
            Store::Daemon(_) => format!("{}:{}", self.repository, self.digest.hex()),
            Store::Registry | Store::Layout(_) => format!("{}@{}", self.repository, self.digest),
        }
    }
}

/// A text shared without copying, as manifests and events hold it.
pub type Text = Arc<str>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tags_and_platforms_are_checked_wherever_they_come_in() {
        let hex = "a".repeat(64);
        assert_eq!(Digest::parse(format!("sha256:{hex}")).expect("valid").short(), "aaaaaaaaaaaa");
        for bad in
            ["", "sha256:", "sha256:abc", &format!("md5:{hex}"), &format!("sha256:{}", hex.to_uppercase())]
        {
            assert!(Digest::parse(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<Digest>(bad.into()).is_err(), "{bad}");
        }
        for good in ["latest", "1.2.3", "_x", "a-b_c", &"x".repeat(128)] {
            assert!(Tag::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".x", "-x", "a:b", "a/b", "a b", "é", &"x".repeat(129)] {
            assert!(Tag::parse(bad).is_err(), "{bad}");
        }
        for (text, normal) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v2", "linux/amd64/v2"),
            ("windows/i386", "windows/386"),
            ("arm64", "linux/arm64"),
            ("linux", &Platform::linux_here().to_string()),
        ] {
            assert_eq!(text.parse::<Platform>().expect("valid").to_string(), normal, "{text}");
        }
        for bad in ["windows", "plan10", "", "linux/", "a/b/c/d", "../x"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reference_is_pinned() {
        let digest = Digest::parse(format!("sha256:{}", "0".repeat(64))).expect("valid");
        let image = Image::new("web", Store::Registry, "host:5000/web", digest.clone());
        assert_eq!(image.reference(), format!("host:5000/web@{digest}"));
        let image = Image::new("web", Store::Daemon(String::new()), "web", digest);
        assert_eq!(image.reference(), format!("web:{}", "0".repeat(64)));
    }
}
