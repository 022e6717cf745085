//! The patches of profiles that are not active, tried, so that one that fits nothing any more is found before
//! somebody needs its profile. Skaffold looks at the patches of active profiles alone.
//!
//! A patch may be for what only another profile brings. So a profile is tried alone; after each one of the others; after
//! those before it in the file; and after all others, as often as one more of them fits. What fits nowhere is
//! rotten.

use std::collections::BTreeSet;

use shipway_core::Result;
use shipway_yaml::{Document, Node};

use super::{
    model::Profile,
    patch::{Failed, Patches},
    pointer::{self, Step, parse, places},
    profile::{Profiles, lay},
    schema::is_one_of,
};

/// How many nodes may be copied to try all profiles of a configuration; what is beyond is not tried.
const MOST_COPIED: usize = 2_000_000;

/// Tries the patches of some profiles.
///
/// # Errors
/// `Config` at the first that cannot apply.
pub(super) fn check(profiles: &Profiles, document: &Document, tried: &dyn Fn(&usize) -> bool) -> Result<()> {
    let all = profiles.all();
    let mut left = MOST_COPIED;
    for index in (0..all.len()).filter(tried) {
        let (profile, node) = &all[index];
        if profile.patches.is_empty() || fits_as_it_stands(profile, node, &document.root) {
            continue;
        }
        let sections = sections(profile);
        let mut bench = Bench { all, document, sections: &sections, left: &mut left };
        let error = match bench.alone(profile, node) {
            None | Some(Ok(()) | Err(Failed::Unequal(_))) => continue,
            Some(Err(Failed::Wrong(error))) => return Err(error),
            Some(Err(Failed::Nothing(error))) => error,
        };
        if bench.fits_after_others(index) {
            continue;
        }
        return Err(error.note(
            "no other profile brings it either; a patch is tried whether its profile is active or not",
        ));
    }
    Ok(())
}

/// Whether it is plain to see that all patches of a profile fit the file, so that nothing need be copied: none is for what
/// the profile itself says, or for what one before it changes.
fn fits_as_it_stands(profile: &Profile, node: &Node, root: &Node) -> bool {
    let mut changed: Vec<Vec<String>> = Vec::new();
    profile.patches.iter().zip(node.get("patches").and_then(Node::items).unwrap_or_default()).all(
        |(patch, written)| {
            let op = patch.op.as_ref().map_or("replace", |op| &op.value);
            let Some(steps) = parse(&patch.path.value) else { return false };
            let named = steps.iter().all(|step| matches!(step, Step::Named(_)));
            let Ok(places) = places(root, &steps, &mut 10_000) else { return false };
            // What a condition finds may be another thing once something is changed.
            let [place] = &places[..] else { return false };
            let free = (named || changed.is_empty())
                && changed.len() < 100
                && !changed.iter().any(|changed| place.starts_with(changed))
                && !overlaid(node, place);
            let Some((last, above)) = place.split_last() else { return false };
            let Some(parent) = pointer::node(root, above) else { return false };
            let fits = match (op, parent.items()) {
                ("add", Some(items)) => {
                    last == "-" || last.parse().is_ok_and(|index: usize| index <= items.len())
                }
                ("add", None) => parent.entries().is_some(),
                ("replace" | "remove", _) => pointer::node(root, place).is_some(),
                _ => false,
            };
            let valued = op == "remove" || written.get("value").is_some();
            // An item that is put in or taken out moves the others.
            let moves = op != "replace" && parent.items().is_some();
            changed.push(if moves { above.to_vec() } else { place.clone() });
            free && fits && valued
        },
    )
}

/// Whether a profile's own sections may say something at a place.
fn overlaid(profile: &Node, place: &[String]) -> bool {
    let Some(section) = place.first().and_then(|section| profile.get(section)) else { return false };
    // What is to be built where is one of several, so that one may put another away.
    place.get(1).is_none_or(|field| section.get(field).is_some() || is_one_of("BuildConfig", field))
        || section.entries().is_none()
}

/// Returns the sections of the file that a profile's patches are for; none when that may be any.
fn sections(profile: &Profile) -> Option<BTreeSet<String>> {
    let paths = profile.patches.iter().flat_map(|patch| [Some(&patch.path), patch.from.as_ref()]).flatten();
    paths
        .map(|path| match parse(&path.value)?.into_iter().next()? {
            Step::Named(section) => Some(section),
            Step::Below(..) | Step::Item(..) => None,
        })
        .collect()
}

/// Where profiles are tried: copies of the sections that matter.
struct Bench<'a> {
    all: &'a [(Profile, Node)],
    document: &'a Document,
    sections: &'a Option<BTreeSet<String>>,
    left: &'a mut usize,
}

impl Bench<'_> {
    /// Returns a copy of the file's sections, as long as that is not too much.
    fn copy(&mut self) -> Option<Node> {
        let entries = self.document.root.entries().unwrap_or_default();
        let matters = |(key, _): &&(Node, Node)| {
            self.sections.as_ref().is_none_or(|sections| key.text().is_some_and(|key| sections.contains(key)))
        };
        let entries: Vec<&(Node, Node)> = entries.iter().filter(matters).collect();
        let nodes = entries.iter().map(|(_, value)| count(value)).sum();
        *self.left = self.left.checked_sub(nodes)?;
        Some(Node::mapping(entries.into_iter().cloned().collect()))
    }

    fn lay(&self, profile: &Profile, node: &Node, root: &mut Node) -> Result<(), Failed> {
        lay(profile, node, root, &mut Patches::new(), &self.document.file)
    }

    fn alone(&mut self, profile: &Profile, node: &Node) -> Option<Result<(), Failed>> {
        let mut root = self.copy()?;
        Some(self.lay(profile, node, &mut root))
    }

    /// Whether a profile fits after some of the others; or that is too much to find out.
    fn fits_after_others(&mut self, index: usize) -> bool {
        let (profile, node) = &self.all[index];
        let others: Vec<usize> = (0..self.all.len()).filter(|other| *other != index).collect();
        let fits = |result: Result<(), Failed>| !matches!(result, Err(Failed::Nothing(_) | Failed::Wrong(_)));
        let before = others[..index].to_vec();
        for others in others.iter().map(|other| vec![*other]).chain([before, others.clone()]) {
            let Some(mut root) = self.copy() else { return true };
            // Another may need another: so as often as one more fits.
            let mut waiting = others;
            loop {
                let mut still = Vec::new();
                for other in &waiting {
                    let Some(mut next) = self.copy_of(&root) else { return true };
                    let (profile, node) = &self.all[*other];
                    if fits(self.lay(profile, node, &mut next)) {
                        root = next;
                    } else {
                        still.push(*other);
                    }
                }
                if still.len() == waiting.len() || still.is_empty() {
                    break;
                }
                waiting = still;
            }
            if fits(self.lay(profile, node, &mut root)) {
                return true;
            }
        }
        false
    }

    fn copy_of(&mut self, root: &Node) -> Option<Node> {
        *self.left = self.left.checked_sub(count(root))?;
        Some(root.clone())
    }
}

fn count(node: &Node) -> usize {
    let items = node.items().into_iter().flatten().map(count).sum::<usize>();
    1 + items + node.entries().into_iter().flatten().map(|(_, value)| 1 + count(value)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use shipway_yaml::parse as yaml;

    use super::*;
    use crate::{Options, skaffold::profile::Profiles};

    /// Whether a profile's patches plainly fit, and whether they fit when they are tried.
    fn fit(profile: &str) -> (bool, bool) {
        let text = format!(
            "build: {{tagPolicy: {{}}, artifacts: [{{image: a, docker: {{}}}}, {{image: b, context: x}}]}}\n\
             manifests: {{rawYaml: [y]}}\nprofiles:\n- {{name: p, {profile}}}\n"
        );
        let mut document = yaml("a.yaml", &text).expect("YAML").remove(0);
        let profiles =
            Profiles::take(&mut document, &Options::default(), &mut Vec::new()).expect("a profile");
        let (profile, node) = &profiles.all()[0];
        let tried = lay(profile, node, &mut document.root.clone(), &mut Patches::new(), &document.file);
        (fits_as_it_stands(profile, node, &document.root), tried.is_ok())
    }

    #[test]
    fn what_plainly_fits_fits() {
        let patches = [
            "{path: /build/artifacts/1/context, value: y}",
            "{op: remove, path: /build/artifacts/1}",
            "{op: remove, path: /build/artifacts/0}",
            "{op: remove, path: /build/artifacts/1/context}",
            "{op: add, path: /build/artifacts/-, value: {image: c}}",
            "{op: add, path: /build/artifacts/2, value: {image: c}}",
            "{op: add, path: /build/artifacts/3, value: {image: c}}",
            "{path: /build/artifacts/2, value: {image: c}}",
            "{path: '/build/artifacts[image=b]/context', value: z}",
            "{path: '/build/artifacts[image=b]/image', value: z}",
            "{op: add, path: /build/local, value: {}}",
            "{op: add, path: /build/local/push, value: true}",
            "{op: remove, path: /manifests}",
            "{path: /manifests/rawYaml/0, value: z}",
            "{path: /manifests/rawYaml}",
            "{op: copy, from: /build/artifacts/0, path: /build/artifacts/1}",
            "{op: test, path: /build/artifacts/0/image, value: x}",
            "{path: /build, value: 1}",
        ];
        let sections = [
            "",
            "build: {artifacts: [{image: c}]}, ",
            "build: {local: {push: true}}, ",
            "manifests: {rawYaml: []}, ",
        ];
        let mut plain = 0;
        for (one, other) in patches.iter().flat_map(|one| patches.iter().map(move |other| (one, other))) {
            for section in sections {
                let profile = format!("{section}patches: [{one}, {other}]");
                let (plainly, tried) = fit(&profile);
                assert!(tried || !plainly, "{profile}");
                plain += usize::from(plainly);
            }
        }
        // What is common is seen without a trial.
        assert!(plain > 150, "{plain}");
        assert_eq!(fit(&format!("patches: [{}]", patches[0])), (true, true));
    }
}
