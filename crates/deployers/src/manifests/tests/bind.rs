//! Files of manifests, cut and bound as `gitops` has them.

use std::collections::BTreeSet;

use shipway_core::{Manifest, Manifests, Release};

use super::image;
use crate::manifests::{bind, joined};

#[test]
fn images_are_bound_where_they_stand_and_all_else_stays() {
    let text = "# the shop\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web} # here\nspec:\n  \
                template:\n    spec:\n      containers:\n      - image: \"registry.example/web:1\" # moves\n      \
                - image: nginx\n--- # next\napiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  \
                containers: [{image: web}, {image: 'registry.example/web@sha256:b'}, {image: registry.example/webber:1}]\n";
    let web = image("web", "registry.example/web");
    let read = bind("k.yaml", text, &[web.clone(), image("api", "registry.example/api")]).expect("read");
    let ids: Vec<String> = read.manifests.iter().map(|one| one.object.to_string()).collect();
    assert_eq!(ids, ["Deployment web", "Pod p"]);
    assert_eq!(read.images, BTreeSet::from(["web".to_owned()]));
    let pinned = web.reference();
    let expected = text
        .replace("registry.example/web:1\"", &format!("{pinned}\""))
        .replace("{image: web}", &format!("{{image: {pinned}}}"));
    let (first, second) = expected.split_once("---").expect("two");
    assert_eq!(&*read.manifests[0].text, first);
    assert_eq!(&*read.manifests[1].text, second);
}

#[test]
fn what_was_joined_is_read_as_it_was() {
    let text = "a: 1\n";
    for (text, count) in [
        ("apiVersion: v1\nkind: A\nmetadata: {name: a}\ntext: |\n  ---\n  x\n", 1),
        (
            "---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n# nothing\n---\napiVersion: v1\nkind: A\nmetadata: {name: b}",
            2,
        ),
        (r#"{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}"#, 1),
        (
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: a}}\n- {apiVersion: v1, kind: A, metadata: {name: b}}\n",
            2,
        ),
        ("", 0),
    ] {
        let read = bind("k.yaml", text, &[]).expect("read").manifests;
        assert_eq!(read.len(), count, "{text}");
        let manifests = Manifests::new(Release::new("r")).objects(read.clone());
        let again = bind("k.yaml", &joined(&manifests), &[]).expect("read again").manifests;
        let ids = |read: &[Manifest]| read.iter().map(|one| one.object.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&read));
        assert_eq!(joined(&Manifests::new(Release::new("r")).objects(again)), joined(&manifests));
    }
    for text in ["{apiVersion: v1, kind: A, metadata: {name: a}}\n...\nb: 1\n", "# x\n%YAML 1.2\n---\na: 1\n"]
    {
        let error = bind("k.yaml", text, &[]).expect_err("cannot be cut");
        assert!(error.report().to_string().contains("no line `---`"), "{error}");
    }
    let marked = "\u{feff}apiVersion: v1\nkind: A\nmetadata: {name: a}\n";
    assert!(bind("k.yaml", marked, &[]).expect("read").manifests[0].text.starts_with("apiVersion"));
    let error = bind("k.yaml", "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\nkind: B\n", &[]);
    let report = error.expect_err("no object").report().to_string();
    assert!(report.contains("k.yaml:5:1"), "{report}");
    assert!(bind("k.yaml", text, &[]).is_err());
}
