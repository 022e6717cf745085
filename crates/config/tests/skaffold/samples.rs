//! The two files of version v1beta11 that the scenarios show, as they stand.

use insta::assert_snapshot;
use shipway_config::{Options, Skaffold};

use crate::recorded::{read, show, without_deployers};

const DATE_TIME: &str = include_str!("samples/skaffold-datetime.yaml");
const PROFILES: &str = include_str!("samples/skaffold-profiles.yaml");

#[test]
fn the_sample_with_a_date() {
    let options = Options::default().default_repo("localhost:5000");
    assert_snapshot!(read(DATE_TIME, &options).unwrap(), @r#"
    pipeline skaffold
    build gcr.io/terrycho-personal/node-example in . into [Registry] localhost:5000/gcr_io_terrycho-personal_node-example
      by docker {}
      named by dateTime {"format":"2006-01-02_15-04-05.999_MST","timezone":"Local"}
    deploy skaffold by kubectl {"manifests":{"rawYaml":["k8s/*.yaml"]}}
    "#);
}

#[test]
fn the_sample_with_profiles() {
    assert_snapshot!(read(PROFILES, &Options::default()).unwrap(), @r#"
    pipeline skaffold
    build gcr.io/terrycho-personal/node-example in backend into [Registry] gcr.io/terrycho-personal/node-example
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    deploy skaffold by kubectl {"manifests":{"rawYaml":["k8s/*.yaml"]}}
    notice skaffold.yaml:7:5: `build.artifacts.sync` has no effect: files are not synchronised yet; a run builds the image
    "#);
    assert_snapshot!(read(PROFILES, &Options::default().profiles(["dev"])).unwrap(), @r#"
    pipeline skaffold
    build gcr.io/terrycho-personal/node-example in backend into [Daemon("unix:///var/run/docker.sock")] gcr.io/terrycho-personal/node-example
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    deploy skaffold by kubectl {"manifests":{"rawYaml":["k8s/*.yaml"]}}
    profiles dev
    notice skaffold.yaml:7:5: `build.artifacts.sync` has no effect: files are not synchronised yet; a run builds the image
    "#);
    assert_snapshot!(read(PROFILES, &Options::default().profiles(["production"]).command("build")).unwrap(), @r#"
    pipeline skaffold
    build gcr.io/terrycho-personal/node-example in backend into [Registry] gcr.io/terrycho-personal/node-example
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    profiles production
    notice skaffold.yaml:7:5: `build.artifacts.sync` has no effect: files are not synchronised yet; a run builds the image
    "#);
}

#[test]
fn without_a_deployer_skaffolds_default_deploys_nothing_and_says_so() {
    let catalog = without_deployers();
    let skaffold = Skaffold::read("skaffold.yaml", PROFILES, Options::default(), &catalog).unwrap();
    let loaded = skaffold.pipeline(&catalog).unwrap();
    assert_snapshot!(show(&loaded), @r#"
    pipeline skaffold
    build gcr.io/terrycho-personal/node-example in backend into [Registry] gcr.io/terrycho-personal/node-example
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    notice skaffold.yaml:1:1: nothing is deployed: the file does not say what, and Skaffold's default `kubectl` is not in the catalog
    notice skaffold.yaml:7:5: `build.artifacts.sync` has no effect: files are not synchronised yet; a run builds the image
    "#);
}
