//! Whether a file is there, and as it should be.

use shipway_oci::{Device, FileKind, FoundFile, ImageFiles};

use super::{
    expand::{Variables, expand},
    schema::{ExecutableBy, FileExistenceTest},
};

/// What container engines put into every container, which layers rarely have (moby,
/// daemon/initlayer/setup_unix.go).
const OF_THE_ENGINE: [&str; 10] = [
    "/.dockerenv",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/sys",
];

/// Returns what is not as the test expects. A link at the path's end is what is looked at, not what it
/// leads to, as with `docker cp`.
pub(super) fn problems(test: &FileExistenceTest, files: &ImageFiles, environment: &Variables) -> Vec<String> {
    let path = expand(&test.path.0, environment);
    let file = match (files.entry(&path), test.should_exist) {
        (Err(error), true) => return vec![error.to_string()],
        (Ok(None), true) => return vec![missing(&path)],
        (Ok(Some(_)), false) => return vec![format!("`{path}` is there")],
        (Err(_) | Ok(None), false) => return Vec::new(),
        (Ok(Some(file)), true) => file,
    };
    let mut problems = Vec::new();
    let mode = mode(&file);
    if !test.permissions.is_empty() && test.permissions != mode {
        problems.push(format!("`{path}` has the permissions `{mode}`, not `{}`", test.permissions));
    }
    let (bits, by) = match test.is_executable_by {
        None | Some(ExecutableBy::Unsaid) => (0o111, None),
        Some(ExecutableBy::Any) => (0o111, Some("anybody")),
        Some(ExecutableBy::Owner) => (0o100, Some("the owner")),
        Some(ExecutableBy::Group) => (0o010, Some("the group")),
        Some(ExecutableBy::Other) => (0o001, Some("others")),
    };
    if let Some(by) = by.filter(|_| file.mode & bits == 0) {
        problems.push(format!("`{path}` is not executable by {by}: its permissions are `{mode}`"));
    }
    for (what, expected, actual) in [("user", test.uid, file.uid), ("group", test.gid, file.gid)] {
        let expected = expected.filter(|number| *number != -1);
        if let Some(expected) = expected.filter(|number| u64::try_from(*number) != Ok(actual)) {
            problems.push(format!("`{path}` is of the {what} {actual}, not {expected}"));
        }
    }
    problems
}

/// Returns why a file that should be there is not.
pub(super) fn missing(path: &str) -> String {
    if OF_THE_ENGINE.contains(&path.trim_end_matches('/')) {
        return format!(
            "`{path}` is not in the image's layers; a container engine adds it to each container"
        );
    }
    format!("`{path}` is not there")
}

/// Returns kind and permissions as Go writes them (io/fs, `FileMode.String`).
fn mode(file: &FoundFile) -> String {
    let kind = match (file.kind, file.device) {
        (FileKind::Folder, _) => "d",
        (FileKind::Link, _) => "L",
        (_, Some(Device::Fifo)) => "p",
        (_, Some(_)) => "D",
        (_, None) => "",
    };
    let mut text = kind.to_owned();
    let is_character = matches!(file.device, Some(Device::Character { .. }));
    let bit = |bit: u32| file.mode & bit != 0;
    for (is, letter) in [(bit(0o4000), 'u'), (bit(0o2000), 'g'), (is_character, 'c'), (bit(0o1000), 't')] {
        if is {
            text.push(letter);
        }
    }
    if text.is_empty() {
        text.push('-');
    }
    for (place, letter) in "rwxrwxrwx".chars().enumerate() {
        text.push(if file.mode & (0o400 >> place) != 0 { letter } else { '-' });
    }
    text
}
