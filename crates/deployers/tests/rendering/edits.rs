//! Images set in a `kustomization.yaml`, beside what `kustomize edit set image` makes of it.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;
use shipway_deployers::{Kustomization, KustomizationImage};
use shipway_yaml::Rules;

use crate::stage::real_kustomize;

const DIGEST: &str = "sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3";

/// Texts, and images in the program's form.
const CASES: [(&str, &[&str]); 9] = [
    ("resources:\n- a.yaml\n", &["web=r.example/web:1.10"]),
    (
        "# top\nimages: # all\n- name: web # the shop\n  newTag: '1.9' # moves\n- name: api\n  newName: x\n",
        &["web=web:1.10"],
    ),
    (
        "images:\n  - name: web\n    newName: old/web\n    newTag: v1\n  # next\n  - name: api\n    newTag: v2\n",
        &["web=new/web@DIGEST", "api=api:v3"],
    ),
    ("images: [{name: web, newTag: a}]\nnamePrefix: x-\n", &["web=r:5000/web:b", "db=pg"]),
    ("images:\n- digest: DIGEST\n  name: web\n", &["web=web:2"]),
    ("images:\n- name: web\n  newTag: a\n- name: web\n  newTag: b\n", &["web=web:c"]),
    ("images: []\n", &["web=web:1e3"]),
    ("images:\nnamePrefix: a-\n", &["web=web:0123"]),
    ("resources: []\n\n# the end\n", &["a=b:1", "c=d:on", "e=f@DIGEST"]),
];

fn image(text: &str) -> KustomizationImage {
    let (name, to) = text.split_once('=').unwrap();
    let (to, digest) = to.split_once('@').map_or((to, None), |(to, digest)| (to, Some(digest)));
    let (to, tag) = match to.rsplit_once(':') {
        Some((to, tag)) if !tag.contains('/') => (to, Some(tag)),
        _ => (to, None),
    };
    let mut image = KustomizationImage::new(name).new_name(to);
    image.new_tag = tag.map(str::to_owned);
    image.digest = digest.map(str::to_owned);
    image
}

fn tree(text: &str) -> (BTreeMap<String, Value>, Value) {
    let mut tree = shipway_yaml::parse("k", text).unwrap()[0].to_json(Rules::Config).unwrap();
    let images = tree["images"].take();
    let map = tree.as_object_mut().unwrap();
    // The program writes what a file leaves out, and leaves out what is empty.
    map.retain(|name, value| {
        !["images", "apiVersion", "kind"].contains(&name.as_str()) && *value != Value::Array(vec![])
    });
    let images = images.as_array().unwrap().iter();
    (images.map(|image| (image["name"].as_str().unwrap().to_owned(), image.clone())).collect(), tree)
}

#[test]
fn images_are_set_as_the_program_sets_them() {
    let Some(kustomize) = real_kustomize("images_are_set_as_the_program_sets_them") else { return };
    for (text, images) in CASES {
        let text = text.replace("DIGEST", DIGEST);
        let images: Vec<String> = images.iter().map(|image| image.replace("DIGEST", DIGEST)).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kustomization.yaml");
        fs::write(&file, &text).unwrap();
        let run = Command::new(&kustomize)
            .args(["edit", "set", "image"])
            .args(&images)
            .current_dir(&folder)
            .output();
        let run = run.unwrap();
        assert!(run.status.success(), "{text}: {}", String::from_utf8_lossy(&run.stderr));
        let theirs = fs::read_to_string(&file).unwrap();
        let images: Vec<KustomizationImage> = images.iter().map(|text| image(text)).collect();
        let ours = Kustomization::new("kustomization.yaml", &text).set_images(&images).unwrap();
        assert_eq!(tree(&ours), tree(&theirs), "{text}\n{ours}\n{theirs}");
        // Once more changes nothing.
        let again = Kustomization::new("kustomization.yaml", &ours).set_images(&images).unwrap();
        assert_eq!(again, ours);
    }
}

#[test]
fn all_that_a_person_wrote_stays() {
    let text = "# top\nimages: # all\n- name: web # the shop\n  newTag: '1.9' # moves\n# between\n- {name: api, newTag: v1}\nnamePrefix: 'x-'\n";
    let images = [
        KustomizationImage::new("web").new_tag("1.10"),
        KustomizationImage::new("db").new_name("r.example/db").digest(DIGEST),
    ];
    let edited = Kustomization::new("k.yaml", text).set_images(&images).unwrap();
    let expected = text
        .replace("'1.9'", "'1.10'")
        .replace("v1}\n", &format!("v1}}\n- name: db\n  newName: r.example/db\n  digest: {DIGEST}\n"));
    assert_eq!(edited, expected);
    for (text, place) in
        [("- a\n", "k.yaml:1:1"), ("images: {}\n", "k.yaml:1:9"), ("imageTags: []\n", "k.yaml:1:1")]
    {
        let error = Kustomization::new("k.yaml", text).set_images(&images).expect_err(text);
        assert!(error.report().to_string().starts_with(place), "{error:?}");
    }
    let made = Kustomization::new("k.yaml", "").set_images(&images[..1]).unwrap();
    assert_eq!(made, "images:\n  - name: web\n    newTag: \"1.10\"\n");
}
