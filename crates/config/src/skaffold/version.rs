//! Versions of skaffold.yaml, all of which are read.

use std::{fmt, str::FromStr};

use shipway_core::{Error, Result, did_you_mean};

/// A version of skaffold.yaml, such as `skaffold/v4beta14`. Versions sort as they were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    stage: Stage,
    minor: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Stage {
    Alpha,
    Beta,
    Stable,
}

impl Version {
    /// The newest version that was published, to which others are upgraded.
    pub const NEWEST: Self = Self::beta(4, 14);

    /// The first version that was published.
    pub const OLDEST: Self = Self::alpha(1, 1);

    /// Returns a version by its number alone, such as `v4beta14`.
    pub(super) fn short(text: &str) -> Option<Self> {
        format!("skaffold/{text}").parse().ok()
    }

    /// Returns its number alone, such as `v4beta14`.
    pub(super) fn number(self) -> String {
        self.to_string().split_off("skaffold/".len())
    }

    pub(super) const fn alpha(major: u32, minor: u32) -> Self {
        Self { major, stage: Stage::Alpha, minor }
    }

    pub(super) const fn beta(major: u32, minor: u32) -> Self {
        Self { major, stage: Stage::Beta, minor }
    }

    /// How many versions were published of each stage
    /// (GoogleContainerTools/skaffold, `docs-v2/content/en/schemas`).
    fn published(self) -> bool {
        let last = match (self.major, self.stage) {
            (1, Stage::Alpha) => 5,
            (1, Stage::Beta) => 17,
            (2, Stage::Alpha) => 4,
            (2, Stage::Beta) => 29,
            (3, Stage::Alpha) => 1,
            (4, Stage::Beta) => 14,
            (1 | 3, Stage::Stable) => return true,
            _ => 0,
        };
        (1..=last).contains(&self.minor)
    }

    /// Returns the version that a file may have as its `apiVersion`.
    ///
    /// # Errors
    /// `Config` for what is no version of skaffold.yaml, and for one that is newer than all known here.
    pub fn of_file(text: &str) -> Result<Self> {
        let version: Self = text.parse()?;
        if version > Self::NEWEST {
            return Err(Error::config(format!("`{version}` is newer than all that is known here"))
                .hint(format!("the newest is `{}`", Self::NEWEST)));
        }
        Ok(version)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let rest = text.strip_prefix("skaffold/v")?;
            let stages = [("alpha", Stage::Alpha), ("beta", Stage::Beta)];
            let (major, stage, minor) = stages
                .into_iter()
                .find_map(|(name, stage)| rest.split_once(name).map(|(major, minor)| (major, stage, minor)))
                .unwrap_or((rest, Stage::Stable, "0"));
            // Each number is written in one way only.
            let number = |text: &str| text.parse::<u32>().ok().filter(|number| number.to_string() == text);
            Some(Self { major: number(major)?, stage, minor: number(minor)? })
        };
        let version = parse().filter(|version| *version > Self::NEWEST || version.published());
        version.ok_or_else(|| {
            let error = Error::config(format!("`{text}` is no version of skaffold.yaml"));
            let usual = [Self::NEWEST.to_string()];
            match did_you_mean(text, usual.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("the newest is `{}`", Self::NEWEST)),
            }
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skaffold/v{}", self.major)?;
        match self.stage {
            Stage::Alpha => write!(f, "alpha{}", self.minor),
            Stage::Beta => write!(f, "beta{}", self.minor),
            Stage::Stable => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_they_were_published() {
        let order = [
            "v1alpha1", "v1alpha5", "v1beta1", "v1beta9", "v1beta10", "v1beta17", "v1", "v2alpha1",
            "v2alpha4", "v2beta1", "v2beta9", "v2beta29", "v3alpha1", "v3", "v4beta1", "v4beta14",
        ];
        let versions: Vec<Version> =
            order.iter().map(|text| format!("skaffold/{text}").parse().expect(text)).collect();
        assert!(versions.is_sorted());
        let written: Vec<String> =
            versions.iter().map(|version| version.to_string()[9..].to_owned()).collect();
        assert_eq!(written, order);
    }

    #[test]
    fn what_is_not_read_is_said() {
        for (text, expected) in [
            (
                "skaffold/v5beta1",
                "`skaffold/v5beta1` is newer than all that is known here\n  hint: the newest is `skaffold/v4beta14`",
            ),
            (
                "skaffold/v4bta14",
                "`skaffold/v4bta14` is no version of skaffold.yaml\n  hint: did you mean `skaffold/v4beta14`?",
            ),
            ("v1", "`v1` is no version of skaffold.yaml\n  hint: the newest is `skaffold/v4beta14`"),
            (
                "skaffold/v1beta18",
                "`skaffold/v1beta18` is no version of skaffold.yaml\n  hint: did you mean \
                                   `skaffold/v4beta14`?",
            ),
            (
                "skaffold/v2",
                "`skaffold/v2` is no version of skaffold.yaml\n  hint: the newest is `skaffold/v4beta14`",
            ),
        ] {
            let error = Version::of_file(text).expect_err(text);
            assert_eq!(error.report().to_string(), expected);
        }
        assert_eq!(Version::of_file("skaffold/v1alpha1").ok(), Some(Version::OLDEST));
        assert_eq!(Version::of_file("skaffold/v4beta14").ok(), Some(Version::NEWEST));
        assert!("skaffold/v01beta11".parse::<Version>().is_err());
    }
}
