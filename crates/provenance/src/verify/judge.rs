//! What statements come to: pure, and without belief in anything that no trusted key has signed.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Case, CaseOutcome, Digest};

use crate::{
    attached::{Content, Found},
    slsa::Claims,
    statement::{self, Statement},
    verifier::Verifier,
};

/// The most statements whose faults are told.
const TOLD: usize = 5;

/// What is to be true of provenance, beside that it is signed.
#[derive(Clone, Debug, Default)]
pub(super) struct Requirements {
    pub(super) builders: Vec<String>,
    pub(super) sources: Vec<String>,
    pub(super) sbom: bool,
}

/// What was found about one digest.
#[derive(Debug)]
pub(super) struct Judged {
    /// The statements that enough of the keys have signed, and that are about the digest.
    good: Vec<Statement>,
    /// What is wrong with the others.
    faults: Vec<String>,
}

impl Judged {
    /// Looks at all that was found: whose word it is first, then what it says. `faults` are those that are known.
    pub(super) fn of(
        verifier: &Verifier,
        digest: &Digest,
        kinds: &[&str],
        found: &[Found],
        mut faults: Vec<String>,
    ) -> Self {
        // Keys may have signed one statement in several envelopes.
        let mut signed: BTreeMap<&[u8], BTreeSet<usize>> = BTreeMap::new();
        for Found { digest: at, content } in found {
            match content {
                Err(why) => faults.push(format!("`{}` cannot be read: {why}", at.short())),
                Ok(Content::Unsigned(_)) => faults.push(format!("`{}` is not signed", at.short())),
                Ok(Content::Signed(envelope)) if envelope.payload_type != statement::MEDIA_TYPE => {
                    faults
                        .push(format!("`{}` is a signature of something else than a statement", at.short()));
                }
                Ok(Content::Signed(envelope)) => {
                    signed.entry(&envelope.payload).or_default().extend(envelope.signed_by(verifier.keys()));
                }
            }
        }
        let mut good = Vec::new();
        for Found { digest: at, content } in found {
            let Ok(Content::Signed(envelope)) = content else { continue };
            // Each payload once.
            let Some(by) = signed.remove(&*envelope.payload) else { continue };
            match Self::look(verifier, digest, kinds, &envelope.payload, &by) {
                Ok(statement) => good.push(statement),
                Err(why) => faults.push(format!("`{}`: {why}", at.short())),
            }
        }
        Self { good, faults }
    }

    fn look(
        verifier: &Verifier,
        digest: &Digest,
        kinds: &[&str],
        payload: &[u8],
        by: &BTreeSet<usize>,
    ) -> Result<Statement, String> {
        if !verifier.is_enough(by) {
            return Err(verifier.lack(by));
        }
        let statement = Statement::from_json(payload).map_err(|error| error.to_string())?;
        if !statement.is_about(digest) {
            return Err("it is about another image".to_owned());
        }
        match kinds.contains(&statement.predicate_type.as_str()) {
            true => Ok(statement),
            false => Err(format!("it says something else: {}", shown(&statement.predicate_type))),
        }
    }

    /// Returns the case that something was said that is believed.
    pub(super) fn case(&self, name: String) -> Case {
        let outcome = match (self.good.is_empty(), self.faults.is_empty()) {
            (false, _) => CaseOutcome::Passed,
            (true, true) => CaseOutcome::Failed("there is none".to_owned()),
            (true, false) => CaseOutcome::Failed(self.told()),
        };
        Case::new(name, outcome)
    }

    fn told(&self) -> String {
        let mut told: Vec<&str> = self.faults.iter().take(TOLD).map(String::as_str).collect();
        let more = self.faults.len().saturating_sub(TOLD);
        let more = format!("and {more} more");
        if self.faults.len() > TOLD {
            told.push(&more);
        }
        told.join("\n")
    }
}

impl Requirements {
    /// Returns the cases about an image's provenance. One statement has to be right in all of them: that which is so
    /// in most.
    pub(super) fn provenance(&self, image: &str, judged: &Judged) -> Vec<Case> {
        let mut cases = vec![judged.case(format!("{image}: provenance"))];
        let judge = |statement: &Statement| {
            let claims = Claims::of(&statement.predicate);
            [self.builder(claims.as_ref()), self.source(claims.as_ref())]
        };
        let all = judged.good.iter().map(judge);
        let best = all.min_by_key(|problems| problems.iter().flatten().count());
        let wanted = [(&self.builders, "builder"), (&self.sources, "source")];
        for (at, (patterns, name)) in wanted.into_iter().enumerate() {
            if patterns.is_empty() {
                continue;
            }
            let outcome = match &best {
                None => CaseOutcome::Failed("there is no provenance that is believed".to_owned()),
                Some(problems) => match &problems[at] {
                    Some(problem) => CaseOutcome::Failed(problem.clone()),
                    None => CaseOutcome::Passed,
                },
            };
            cases.push(Case::new(format!("{image}: {name}"), outcome));
        }
        cases
    }

    fn builder(&self, claims: Option<&Claims>) -> Option<String> {
        if self.builders.is_empty() {
            return None;
        }
        let Some(claims) = claims else { return Some("the provenance names no builder".to_owned()) };
        let trusted = self.builders.iter().any(|pattern| matches(pattern, &claims.builder));
        (!trusted).then(|| format!("it was built by {}, which is not trusted", shown(&claims.builder)))
    }

    fn source(&self, claims: Option<&Claims>) -> Option<String> {
        if self.sources.is_empty() {
            return None;
        }
        let sources = claims.map(|claims| claims.sources.as_slice()).unwrap_or_default();
        if sources.is_empty() {
            return Some("the provenance names no source".to_owned());
        }
        // All of them: one that is trusted does not make up for one that is not.
        let fits = |source: &str| {
            let url = source.strip_prefix("git+").unwrap_or(source);
            self.sources.iter().any(|pattern| matches(pattern, source) || matches(pattern, url))
        };
        let other = sources.iter().find(|source| !fits(source))?;
        Some(format!("it was built from {}, which is not trusted", shown(other)))
    }
}

/// Returns whether a text is what the pattern says, in which `*` stands for anything.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| text.strip_prefix(start)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    // Each as far in front as it can be leaves the most for those after it.
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Returns a text from outside, fit to be shown.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(200).collect();
    format!("`{}`", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("https://ci/a", "https://ci/a", true),
            ("https://ci/a", "https://ci/ab", false),
            ("https://ci/*", "https://ci/a/b", true),
            ("https://ci/*", "https://ci.evil/a", false),
            ("https://*/v1", "https://x/v1", true),
            ("https://*/v1", "https://x/v12", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
