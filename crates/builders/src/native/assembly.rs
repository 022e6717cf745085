//! An image in the making as steps and a configuration: what a Dockerfile and the builder's own
//! options both come down to.

use shipway_core::{Error, Location, Result, clean_path};
use shipway_oci::ImageConfig;

use super::chmod::ModeChange;

/// Steps and the configuration that they lead to.
#[derive(Clone, Debug)]
pub(super) struct Assembly {
    pub(super) config: ImageConfig,
    pub(super) steps: Vec<Step>,
}

/// A line of the image's history.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) text: String,
    pub(super) change: Change,
}

/// What a step does to the files.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Nothing,
    /// Makes a folder, if it is missing, for the user that the image runs as.
    Folder {
        path: String,
        user: String,
        at: Option<Location>,
    },
    Copy(Box<Copy>),
}

/// Files to copy, as one layer.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) from: From,
    /// Paths and patterns of Go's `filepath.Match`.
    pub(super) sources: Vec<String>,
    /// Files by name and content.
    pub(super) texts: Vec<(String, String)>,
    /// Absolute, cleaned, and with a `/` at its end if it must be a folder.
    pub(super) destination: String,
    pub(super) mode: Option<ModeChange>,
    /// A user, or a user and a group, by number or name.
    pub(super) owner: Option<String>,
    /// Whether nothing of the image so far is looked at.
    pub(super) link: bool,
    /// Whether the folders above come too.
    pub(super) parents: bool,
    /// Patterns of what is left out below a source.
    pub(super) exclude: Vec<String>,
    /// Whether archives are unpacked.
    pub(super) unpack: bool,
    pub(super) at: Option<Location>,
}

/// Where files are copied from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    Context,
    /// What the commands made.
    Prepared,
    Stage(usize),
    Image(String),
}

impl Assembly {
    pub(super) fn new(config: ImageConfig) -> Self {
        Self { config, steps: Vec::new() }
    }

    pub(super) fn step(&mut self, text: &str, change: Change) {
        self.steps.push(Step { text: text.to_owned(), change });
    }

    /// Sets the entrypoint. A command of the base does not fit another one, so that it goes (BuildKit,
    /// `dispatchEntrypoint`).
    pub(super) fn entrypoint(&mut self, argv: &[String], keep_cmd: bool) {
        self.config.entrypoint = argv.to_vec();
        if !keep_cmd {
            self.config.cmd.clear();
        }
    }

    /// Returns a path of the image as absolute, with its `/` at the end if it has one.
    pub(super) fn absolute(&self, path: &str) -> String {
        let clean = clean_path(&format!(
            "/{}/{path}",
            if path.starts_with('/') { "" } else { &self.config.working_dir }
        ));
        let folder = path.ends_with('/')
            || matches!(path, "." | "..")
            || path.ends_with("/.")
            || path.ends_with("/..");
        if folder && clean != "/" { format!("{clean}/") } else { clean }
    }

    pub(super) fn workdir(&mut self, text: &str, path: &str, at: Option<&Location>) -> Result<()> {
        // BuildKit, `NormalizeWorkdir`: an absolute path stays as it is written, an empty one changes nothing.
        let current = match self.config.working_dir.as_str() {
            "" => "/",
            current => current,
        };
        let path = match path {
            "" => current.to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => clean_path(&format!("/{current}/{path}")),
        };
        self.config.working_dir.clone_from(&path);
        let user = self.config.user.clone();
        // The folder is made at the path without its `..` (llb, `Mkdir`), whatever links it leads over.
        let path = clean_path(&path);
        self.step(text, Change::Folder { path, user, at: at.cloned() });
        Ok(())
    }

    pub(super) fn expose(&mut self, port: &str) -> Result<()> {
        self.config.exposed_ports.extend(ports(port)?);
        Ok(())
    }
}

/// Returns `port/protocol` for each port of `80`, `80/udp` or `8000-8010`; those of a host in front of
/// it, as in `8080:80`, are checked and do not count (BuildKit, `parsePort`).
fn ports(text: &str) -> Result<Vec<String>> {
    let wrong = || {
        Error::config(format!("`{text}` is not a port"))
            .hint("write `8080`, `53/udp` or `8000-8010`; ports of the host are chosen when it is deployed")
    };
    let (host, own) = text.rsplit_once(':').unwrap_or(("", text));
    let (port, protocol) = own.split_once('/').unwrap_or((own, ""));
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    let (address, host_port) = host.rsplit_once(':').unwrap_or(("", host));
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let fine = (address.is_empty() || address.parse::<std::net::IpAddr>().is_ok())
        && (host_port.is_empty() || range(host_port).is_some());
    match range(port) {
        Some((first, last)) if fine && matches!(protocol.as_str(), "tcp" | "udp" | "sctp") => {
            Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
        }
        _ => Err(wrong()),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number =
        |digits: &str| digits.parse::<u16>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use shipway_core::Platform;

    use super::*;

    #[test]
    fn paths_of_the_image_hang_on_the_working_directory() {
        let mut assembly = Assembly::new(ImageConfig::new(Platform::new("linux", "amd64")));
        assert_eq!(assembly.absolute("a/"), "/a/");
        assembly.workdir("", "app", None).unwrap();
        assembly.workdir("", "web", None).unwrap();
        for (path, absolute) in [
            (".", "/app/web/"),
            ("./", "/app/web/"),
            ("a", "/app/web/a"),
            ("/a/../b/", "/b/"),
            ("../../../x", "/x"),
            ("..", "/app/"),
            ("/", "/"),
        ] {
            assert_eq!(assembly.absolute(path), absolute, "{path}");
        }
        assembly.workdir("", "", None).unwrap();
        assert_eq!(assembly.config.working_dir, "/app/web");
        assembly.workdir("", "/a/../b/", None).unwrap();
        assert_eq!(
            (assembly.config.working_dir.as_str(), assembly.absolute("c")),
            ("/a/../b/", "/b/c".to_owned())
        );
    }

    #[test]
    fn ports_are_numbers_with_a_protocol() {
        assert_eq!(ports("80").unwrap(), ["80/tcp"]);
        assert_eq!(ports("53/UDP").unwrap(), ["53/udp"]);
        assert_eq!(ports("1-3").unwrap(), ["1/tcp", "2/tcp", "3/tcp"]);
        assert_eq!(ports("[::1]:8080:80/udp").unwrap(), ["80/udp"]);
        assert_eq!(ports("8080:80").unwrap(), ["80/tcp"]);
        for bad in ["", "x", "x:80", "x:1:80", "3-1", "65536", "80/icmp", "+80", "1-", "-"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}
