//! Files that somebody broke: an error with a place or a pipeline comes out, never a panic.

use proptest::prelude::*;
use shipway_config::Options;

use crate::recorded::read;

/// Files with everything in them that stages move about.
const FILES: [&str; 3] = [
    include_str!("samples/skaffold-profiles.yaml"),
    "apiVersion: skaffold/v1beta11\nkind: Config\nbuild:\n  artifacts:\n  - image: a\n    jibMaven:\n      profile: p\n\
     deploy:\n  kubectl:\n    manifests:\n    - a.yaml\n    remoteManifests:\n    - b\n  kustomize:\n    path: x\n\
     profiles:\n- name: p\n  activation:\n  - env: A=b\n  patches:\n  - op: add\n    path: /deploy/kubectl/manifests/0\n    \
     value: c.yaml\n",
    "apiVersion: skaffold/v4beta14\nkind: Config\n.a: &a\n  b: c\nbuild:\n  artifacts:\n  - image: a\n    docker:\n      \
     buildArgs:\n        <<: *a\n  tagPolicy:\n    sha256: {}\ntest:\n- image: a\n  structureTests:\n  - t\nmanifests:\n  \
     rawYaml:\n  - a\ndeploy:\n  kubectl: {}\nprofiles:\n- name: p\n  patches:\n  - path: /build/artifacts/image=a/image\n    \
     value: b\n",
];

proptest! {
    #[test]
    fn a_broken_file_is_read_or_refused(
        file in 0..FILES.len(),
        breaks in prop::collection::vec((0..40_usize, 0..40_usize, 0..6_usize), 1..5),
    ) {
        let mut lines: Vec<String> = FILES[file].lines().map(str::to_owned).collect();
        for (line, other, how) in breaks {
            let (line, other) = (line % lines.len(), other % lines.len());
            match how {
                0 if lines.len() > 1 => drop(lines.remove(line)),
                1 => lines.swap(line, other),
                2 => lines[line] = lines[other].clone(),
                3 => lines[line] = format!("  {}", lines[line]),
                4 => {
                    let kept = lines[line].find(':').map_or(0, |colon| colon + 1);
                    lines[line].truncate(kept);
                }
                _ => {
                    let kept = lines[line].find(':').map_or("", |colon| &lines[line][..=colon]).to_owned();
                    lines[line] = kept + [" []", " {}", " 1", " ''", " [[a]]", " {a: {b: c}}"][other % 6];
                }
            }
        }
        let text = lines.join("\n");
        if let Err(error) = read(&text, &Options::default().profiles(["p", "dev"])) {
            let report = error.report();
            let internal = report.kind == shipway_core::ErrorKind::Internal;
            let lost = report.location.is_none() && !report.message.starts_with("there is no profile");
            prop_assert!(!internal && !lost, "{}\n{}", report, text);
        }
    }
}
