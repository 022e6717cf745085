//! The help, which says what there is, with examples and exit codes.

use crate::bench::{Bench, CONFIGURATION, text};

#[tokio::test(flavor = "multi_thread")]
async fn the_help_shows_tasks_examples_and_exit_codes() {
    let bench = Bench::new(CONFIGURATION).await;
    let help = bench.run("--help").await;
    assert!(help.status.success());
    insta::assert_snapshot!(text(&help.stdout), @"
    Builds, tests and deploys what a skaffold.yaml says, without Skaffold

    Usage: shipway <COMMAND>

    Commands:
      run       Build, test and deploy
      build     Build, and say which images came out
      test      Judge images, and build those that are not there
      render    Write the manifests with their images, and apply nothing
      deploy    Deploy images that are there already
      apply     Deploy manifests as they are, as `render` wrote them
      plan      Say what a run would do and why and what it would change, and do nothing
      status    Say what is deployed and how it fares
      logs      Say what the programs print that are deployed
      rollback  Bring an earlier deployment back
      delete    Remove what was deployed
      resume    Go on with a run that was killed or stopped, or waited for an answer
      rerun     Deploy once more what a past run built
      approve   Answer yes to what a run asks
      reject    Answer no to what a run asks, which fails it
      history   Say what past runs of this folder did, the newest first
      report    Make a page of a past run: its graph, its timeline, its logs and its changes
      diagnose  Say all that the configuration means: in the newest version, with profiles and defaults
      explain   Say which file, profile, patch or default each value of the configuration comes from
      fix       Write the configuration in the newest version, with its comments and its order
      schema    Write the JSON Schema of a configuration, for editors

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Examples:
      shipway plan
      shipway build -p production -d registry.example/team
      shipway run --events json

    Exit codes:
      0  all went well
      1  something failed
      2  the command line, the configuration or what it names is wrong, and nothing was done
      3  the run was stopped before it was done
      4  the run waits for an answer, by `shipway approve` or `shipway reject`

    Ctrl-C ends a run well: nothing new begins, and what is under way is finished. A second one stops that as well.
    ");
    let help = bench.run("run --help").await;
    insta::assert_snapshot!(text(&help.stdout), @"
    Build, test and deploy

    Usage: shipway run [OPTIONS]

    Options:
      -f, --filename <FILE>
              The configuration [env: SKAFFOLD_FILENAME] [default: skaffold.yaml]
      -c, --config <FILE>
              What you say once for all projects, in the form of Skaffold's; `~/.skaffold/config` if it is there [env: SKAFFOLD_CONFIG]
      -p, --profile <NAME>
              A profile to activate, or, with `-` before it, to leave out; may be repeated [env: SKAFFOLD_PROFILE]
          --profile-auto-activation[=<BOOL>]
              Whether profiles activate themselves [env: SKAFFOLD_PROFILE_AUTO_ACTIVATION] [default: true]
          --propagate-profiles[=<BOOL>]
              Whether those profiles are also for configurations that are required [env: SKAFFOLD_PROPAGATE_PROFILES] [default: true]
      -m, --module <NAME>
              A configuration to take by its name, with what it requires; may be repeated. All when absent [env: SKAFFOLD_MODULE]
          --sync-remote-cache <WHEN>
              When git repositories that are required are asked what they have now: `always`, where they are `missing`, or `never` [env: SKAFFOLD_SYNC_REMOTE_CACHE] [default: always]
          --remote-cache-dir <FOLDER>
              The folder of the checkouts of git repositories that are required; one in the user's cache when absent [env: SKAFFOLD_REMOTE_CACHE_DIR]
      -d, --default-repo <REPOSITORY>
              The repository below which all images go [env: SKAFFOLD_DEFAULT_REPO]
      -t, --tag <TAG>
              A tag for all images, in the place of the configuration's [env: SKAFFOLD_TAG]
          --push[=<BOOL>]
              Whether images go to registries, in the place of what the configuration says [env: SKAFFOLD_PUSH]
      -n, --namespace <NAME>
              The namespace of releases [env: SKAFFOLD_NAMESPACE]
          --kube-context <NAME>
              The Kubernetes context; images for a cluster on this machine stay in the engine [env: SKAFFOLD_KUBE_CONTEXT]
          --builder <KIND>
              Who builds Dockerfiles: a Docker engine, or `native`, which needs none and runs no `RUN` [default: docker]
          --cache-artifacts[=<BOOL>]
              Whether results of earlier runs are used again [env: SKAFFOLD_CACHE_ARTIFACTS] [default: true]
          --docker-host <ENDPOINT>
              Where Docker's engine listens [env: DOCKER_HOST]
          --keep-going
              Let a failure stop only what depends on it
          --events <FORM>
              How the run is told: in `lines` of text, or in `json`, a line for each event and nothing else [default: lines]
          --confirm
              Ask before the changes of a release are made: on a terminal there, and anywhere by `shipway approve`
          --suspend
              End where nothing is left to do but to wait for an answer; `shipway resume` goes on
          --tail
              Follow the logs of what was deployed, until Ctrl-C
      -h, --help
              Print help

    Examples:
      shipway run -p production -d registry.example/team
      shipway run --tail
      shipway run --confirm --suspend
    ");
    let help = bench.run("plan --help").await;
    insta::assert_snapshot!(text(&help.stdout), @"
    Say what a run would do and why and what it would change, and do nothing

    Usage: shipway plan [OPTIONS]

    Options:
      -f, --filename <FILE>
              The configuration [env: SKAFFOLD_FILENAME] [default: skaffold.yaml]
      -c, --config <FILE>
              What you say once for all projects, in the form of Skaffold's; `~/.skaffold/config` if it is there [env: SKAFFOLD_CONFIG]
      -p, --profile <NAME>
              A profile to activate, or, with `-` before it, to leave out; may be repeated [env: SKAFFOLD_PROFILE]
          --profile-auto-activation[=<BOOL>]
              Whether profiles activate themselves [env: SKAFFOLD_PROFILE_AUTO_ACTIVATION] [default: true]
          --propagate-profiles[=<BOOL>]
              Whether those profiles are also for configurations that are required [env: SKAFFOLD_PROPAGATE_PROFILES] [default: true]
      -m, --module <NAME>
              A configuration to take by its name, with what it requires; may be repeated. All when absent [env: SKAFFOLD_MODULE]
          --sync-remote-cache <WHEN>
              When git repositories that are required are asked what they have now: `always`, where they are `missing`, or `never` [env: SKAFFOLD_SYNC_REMOTE_CACHE] [default: always]
          --remote-cache-dir <FOLDER>
              The folder of the checkouts of git repositories that are required; one in the user's cache when absent [env: SKAFFOLD_REMOTE_CACHE_DIR]
      -d, --default-repo <REPOSITORY>
              The repository below which all images go [env: SKAFFOLD_DEFAULT_REPO]
      -t, --tag <TAG>
              A tag for all images, in the place of the configuration's [env: SKAFFOLD_TAG]
          --push[=<BOOL>]
              Whether images go to registries, in the place of what the configuration says [env: SKAFFOLD_PUSH]
      -n, --namespace <NAME>
              The namespace of releases [env: SKAFFOLD_NAMESPACE]
          --kube-context <NAME>
              The Kubernetes context; images for a cluster on this machine stay in the engine [env: SKAFFOLD_KUBE_CONTEXT]
          --builder <KIND>
              Who builds Dockerfiles: a Docker engine, or `native`, which needs none and runs no `RUN` [default: docker]
          --cache-artifacts[=<BOOL>]
              Whether results of earlier runs are used again [env: SKAFFOLD_CACHE_ARTIFACTS] [default: true]
          --docker-host <ENDPOINT>
              Where Docker's engine listens [env: DOCKER_HOST]
          --graph[=<FORM>]
              Show who needs whom: as `text`, in Graphviz' language with `dot`, or as a picture with `svg`
      -h, --help
              Print help

    Examples:
      shipway plan -f deploy/skaffold.yaml --kube-context staging
      shipway plan --graph
      shipway plan --graph=svg
    ");
    let help = bench.run("report --help").await;
    insta::assert_snapshot!(text(&help.stdout), @r"
    Make a page of a past run: its graph, its timeline, its logs and its changes

    Usage: shipway report [OPTIONS] [RUN]

    Arguments:
      [RUN]  The run, as `shipway history` names it; the newest when absent

    Options:
      -o, --output <FILE>  Where the page goes; `-` is standard output [default: report.html]
      -h, --help           Print help

    Examples:
      shipway report
      shipway report 19aa7f3c2e1-4d2-0 -o report.html
      shipway report -o -
    ");
    let help = bench.run("history --help").await;
    insta::assert_snapshot!(text(&help.stdout), @r"
    Say what past runs of this folder did, the newest first

    Usage: shipway history [OPTIONS]

    Options:
          --last <COUNT>  How many runs to tell of [default: 20]
          --json          Tell it as JSON: a line for each run
      -h, --help          Print help

    Examples:
      shipway history
      shipway history --last 100 --json
    ");
    for task in ["build", "delete", "resume"] {
        let help = bench.run(&format!("{task} --help")).await;
        assert!(help.status.success() && text(&help.stdout).contains(&format!("shipway {task} -")));
    }
}
