//! The command line: Skaffold's flags and variables where they mean the same.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::{
    built, configuration, containers, gates, generated, global, history, init, plan, release, report,
};

/// Builds, tests and deploys what a skaffold.yaml says, without Skaffold.
#[derive(Debug, Parser)]
#[command(name = "shipway", version, after_help = MORE, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) task: Task,
}

const MORE: &str = "\
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

Ctrl-C ends a run well: nothing new begins, and what is under way is finished. A second one stops that as well.";

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Write a first configuration for what is in this folder.
    Init(init::Options),
    /// Build, test and deploy.
    Run(release::Run),
    /// Build, and say which images came out.
    Build(built::Build),
    /// Judge images, and build those that are not there.
    Test(release::Test),
    /// Write the manifests with their images, and apply nothing.
    Render(release::Render),
    /// Deploy images that are there already.
    Deploy(release::Deploy),
    /// Deploy manifests as they are, as `render` wrote them.
    Apply(release::Apply),
    /// Run the containers of `verify`, which prove what is deployed.
    Verify(containers::Verify),
    /// Run the containers of one of the `customActions`.
    Exec(containers::Exec),
    /// Say what a run would do and why and what it would change, and do nothing.
    Plan(plan::Plan),
    /// Say what is deployed and how it fares.
    Status(release::Status),
    /// Say what the programs print that are deployed.
    Logs(release::Logs),
    /// Bring an earlier deployment back.
    Rollback(release::Rollback),
    /// Remove what was deployed.
    #[command(after_help = "Example:\n  shipway delete -p staging")]
    Delete {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        course: Course,
    },
    /// Go on with a run that was killed or stopped, or waited for an answer.
    #[command(
        after_help = "Examples:\n  shipway resume -p production -d registry.example/team\n  shipway resume 19aa7f3c2e1-4d2-0"
    )]
    Resume {
        /// The run, as the end of its output names it; the newest when absent.
        #[arg(value_name = "RUN")]
        run: Option<String>,
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        course: Course,
        #[command(flatten)]
        asking: Asking,
    },
    /// Deploy once more what a past run built.
    Rerun(release::Rerun),
    /// Answer yes to what a run asks.
    Approve(gates::Options),
    /// Answer no to what a run asks, which fails it.
    Reject(gates::Options),
    /// Say what past runs of this folder did, the newest first.
    History(history::Options),
    /// Make a page of a past run: its graph, its timeline, its logs and its changes.
    Report(report::Options),
    /// Say all that the configuration means: in the newest version, with profiles and defaults.
    Diagnose(configuration::Diagnose),
    /// Say which file, profile, patch or default each value of the configuration comes from.
    Explain(configuration::Explain),
    /// Write the configuration in the newest version, with its comments and its order.
    Fix(configuration::Fix),
    /// Write the JSON Schema of a configuration, for editors.
    Schema(configuration::Schema),
    /// Say and set what holds for all projects: in `~/.skaffold/config`, which Skaffold reads as well.
    Config(global::Options),
    /// Write what a shell completes the command line by.
    Completion(generated::Completion),
    /// Write the man pages, for those who package the command.
    #[command(hide = true)]
    Man(generated::ManPages),
}

/// What is done with what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "skaffold.yaml")]
    #[arg(env = "SKAFFOLD_FILENAME", hide_env_values = true)]
    pub(crate) filename: PathBuf,
    /// What you say once for all projects, in the form of Skaffold's; `~/.skaffold/config` if it is there.
    #[arg(short, long, value_name = "FILE", env = "SKAFFOLD_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// A profile to activate, or, with `-` before it, to leave out; may be repeated.
    #[arg(short, long, value_name = "NAME", value_delimiter = ',', allow_hyphen_values = true)]
    #[arg(env = "SKAFFOLD_PROFILE", hide_env_values = true)]
    pub(crate) profile: Vec<String>,
    /// Whether profiles activate themselves.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    #[arg(env = "SKAFFOLD_PROFILE_AUTO_ACTIVATION", hide_env_values = true)]
    pub(crate) profile_auto_activation: bool,
    /// Whether those profiles are also for configurations that are required.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    #[arg(env = "SKAFFOLD_PROPAGATE_PROFILES", hide_env_values = true)]
    pub(crate) propagate_profiles: bool,
    /// A configuration to take by its name, with what it requires; may be repeated. All when absent.
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    #[arg(env = "SKAFFOLD_MODULE", hide_env_values = true)]
    pub(crate) module: Vec<String>,
    /// When git repositories that are required are asked what they have now: `always`, where they are `missing`, or
    /// `never`.
    #[arg(long, value_name = "WHEN", default_value = "always", hide_possible_values = true)]
    #[arg(env = "SKAFFOLD_SYNC_REMOTE_CACHE", hide_env_values = true)]
    pub(crate) sync_remote_cache: SyncRemoteCache,
    /// The folder of the checkouts of git repositories that are required; one in the user's cache when absent.
    #[arg(long, value_name = "FOLDER", env = "SKAFFOLD_REMOTE_CACHE_DIR", hide_env_values = true)]
    pub(crate) remote_cache_dir: Option<PathBuf>,
    /// The repository below which all images go.
    #[arg(short, long, value_name = "REPOSITORY", env = "SKAFFOLD_DEFAULT_REPO", hide_env_values = true)]
    pub(crate) default_repo: Option<String>,
    /// A tag for all images, in the place of the configuration's.
    #[arg(short, long, value_name = "TAG", env = "SKAFFOLD_TAG", hide_env_values = true)]
    pub(crate) tag: Option<String>,
    /// Whether images go to registries, in the place of what the configuration says.
    #[arg(long, value_name = "BOOL", env = "SKAFFOLD_PUSH", hide_env_values = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) push: Option<bool>,
    /// The namespace of releases.
    #[arg(short, long, value_name = "NAME", env = "SKAFFOLD_NAMESPACE", hide_env_values = true)]
    pub(crate) namespace: Option<String>,
    /// The Kubernetes context; images for a cluster on this machine stay in the engine.
    #[arg(long, value_name = "NAME", env = "SKAFFOLD_KUBE_CONTEXT", hide_env_values = true)]
    pub(crate) kube_context: Option<String>,
    /// Who builds Dockerfiles: a Docker engine, or `native`, which needs none and runs no `RUN`.
    #[arg(long, value_name = "KIND", default_value = "docker", hide_possible_values = true)]
    pub(crate) builder: Dockerfiles,
    /// Whether results of earlier runs are used again.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    #[arg(env = "SKAFFOLD_CACHE_ARTIFACTS", hide_env_values = true)]
    pub(crate) cache_artifacts: bool,
    /// Where Docker's engine listens.
    #[arg(long, value_name = "ENDPOINT", env = "DOCKER_HOST", hide_env_values = true)]
    pub(crate) docker_host: Option<String>,
}

/// How it is done, and told.
#[derive(Debug, Args)]
pub(crate) struct Course {
    /// Let a failure stop only what depends on it.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// How the run is told: in `lines` of text, or in `json`, a line for each event and nothing else.
    #[arg(long, value_name = "FORM", default_value = "lines", hide_possible_values = true)]
    pub(crate) events: Events,
}

/// Whether people are asked.
#[derive(Debug, Default, Args)]
pub(crate) struct Asking {
    /// Ask before the changes of a release are made: on a terminal there, and anywhere by `shipway approve`.
    #[arg(long)]
    pub(crate) confirm: bool,
    /// End where nothing is left to do but to wait for an answer; `shipway resume` goes on.
    #[arg(long)]
    pub(crate) suspend: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dockerfiles {
    Docker,
    Native,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncRemoteCache {
    Always,
    Missing,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Events {
    Lines,
    Json,
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn skaffolds_flags_are_taken() {
        let line = "shipway resume -f a.yaml -c global.yaml -p dev,-prod -p test -d reg/x -t v1 -n ns --kube-context c --push=false \
                    --profile-auto-activation=false --propagate-profiles=false -m web,api -m base --sync-remote-cache never \
                    --remote-cache-dir c --keep-going";
        let Task::Resume { options, course, .. } = Arguments::parse_from(line.split(' ')).task else {
            panic!("no run")
        };
        assert_eq!(options.profile, ["dev", "-prod", "test"]);
        assert_eq!(options.config.as_deref(), Some("global.yaml".as_ref()));
        assert_eq!((options.push, options.profile_auto_activation), (Some(false), false));
        assert_eq!(
            (options.module, options.propagate_profiles),
            (vec!["web".into(), "api".into(), "base".into()], false)
        );
        assert_eq!(options.sync_remote_cache, SyncRemoteCache::Never);
        assert!(course.keep_going && course.events == Events::Lines);
        // As in Go, such a flag needs no value.
        let line = "shipway delete --push --profile-auto-activation";
        let Task::Delete { options, .. } = Arguments::parse_from(line.split(' ')).task else {
            panic!("no plan")
        };
        assert_eq!((options.push, options.profile_auto_activation), (Some(true), true));
    }

    #[test]
    fn the_exit_codes_are_those_of_the_documentation() {
        let page = include_str!("../../../docs/command.md");
        let codes: Vec<_> =
            MORE.lines().filter_map(|line| line.strip_prefix("  ")?.split_once("  ")).collect();
        assert_eq!(codes.len(), 5, "{codes:?}");
        for (code, meaning) in codes {
            assert!(page.contains(&format!("| {code} | {meaning} |\n")), "{code}: {meaning}");
        }
    }

    #[test]
    fn each_example_of_the_help_is_a_command_line() {
        let examples = |command: &Command| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines = help.lines().map(str::trim).filter(|line| line.starts_with("shipway "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let command = Arguments::command();
        for page in command.get_subcommands().chain([&command]) {
            let lines = examples(page);
            assert!(!lines.is_empty(), "{} has no example", page.get_name());
            for line in lines {
                Arguments::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }
}
