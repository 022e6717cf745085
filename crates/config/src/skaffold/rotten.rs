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
    pointer::{Step, parse},
    profile::{Profiles, lay},
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
        if profile.patches.is_empty() {
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
