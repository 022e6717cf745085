//! The least versions of what runs the steps of a build: older ones let a hostile Dockerfile or image
//! out of its container.

use std::collections::BTreeMap;

/// A part of an engine, with the first fixed version of each line that still gets fixes, the oldest
/// line first, and what older ones are open to.
struct Least {
    part: &'static str,
    lines: &'static [[u64; 3]],
    open_to: &'static str,
}

const LEAST: &[Least] = &[
    Least {
        part: "runc",
        lines: &[[1, 2, 8], [1, 3, 3], [1, 4, 0]],
        open_to: "CVE-2024-21626, CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881",
    },
    Least {
        part: "buildkit",
        lines: &[[0, 31, 2]],
        open_to: "CVE-2026-33747 and five advisories of July 2026",
    },
];

/// Returns what is to be said of the versions of an engine's parts, by the parts' names in lower case.
pub(crate) fn warnings(parts: &BTreeMap<String, String>) -> Vec<String> {
    let warning = |(part, version): (&String, &String)| {
        let least = LEAST.iter().find(|least| part.eq_ignore_ascii_case(least.part))?;
        let (Some((number, early)), [oldest, ..]) = (number(version), least.lines) else { return None };
        // The fix of the version's own line counts; a newer line has it from its beginning.
        let line = least.lines.iter().find(|line| line[..2] == number[..2]);
        let fixed = match line {
            Some(line) => number > *line || number == *line && !early,
            None => number > least.lines[least.lines.len() - 1],
        };
        let fixed_in = line.unwrap_or(oldest);
        (!fixed).then(|| {
            format!(
                "the engine's {part} `{version}` may be open to {}, which {}.{}.{} fixes; build only what you trust",
                least.open_to, fixed_in[0], fixed_in[1], fixed_in[2]
            )
        })
    };
    parts.iter().filter_map(warning).collect()
}

/// Reads `v1.2.3-rc.1+x`: the numbers, and whether it comes before what they say.
fn number(version: &str) -> Option<([u64; 3], bool)> {
    let version = version.trim_start_matches('v');
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let mut parts = version[..end].split('.').map(str::parse::<u64>);
    let mut next = || parts.next().unwrap_or(Ok(0)).ok();
    let number = [next()?, next()?, next()?];
    let rest = version[end..].trim_start_matches(['-', '~']);
    Some((number, ["rc", "beta", "alpha"].iter().any(|early| rest.starts_with(early))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_the_least_are_warned_of() {
        for (part, version, warned) in [
            ("runc", "1.1.5+ds1", true),
            ("runc", "1.1.99", true),
            ("runc", "1.2.7", true),
            ("runc", "1.2.8", false),
            ("runc", "1.3.0", true),
            ("runc", "1.3.3-rc.1", true),
            ("runc", "1.3.4-rc.1", false),
            ("runc", "1.4.0-rc.1", true),
            ("runc", "1.4.0~rc2+ds1", true),
            ("runc", "1.5.0-rc.1", false),
            ("runc", "v1.3.3", false),
            ("runc", "1.4.0", false),
            ("runc", "2.0.0", false),
            ("BuildKit", "v0.25.1", true),
            ("buildkit", "0.31.1", true),
            ("buildkit", "0.31.2", false),
            ("buildkit", "v0.32.0", false),
            ("containerd", "1.0.0", false),
            ("runc", "unknown", false),
            ("runc", "", false),
        ] {
            let parts = BTreeMap::from([(part.to_owned(), version.to_owned())]);
            assert_eq!(!warnings(&parts).is_empty(), warned, "{part} {version}");
        }
        let old = BTreeMap::from([("runc".to_owned(), "1.3.1".to_owned())]);
        assert!(warnings(&old)[0].contains("which 1.3.3 fixes"), "the fix of its own line is named");
    }
}
