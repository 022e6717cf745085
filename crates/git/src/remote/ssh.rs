//! Repositories over ssh, through the program `git`, which uses the machine's own `ssh` with its keys, agent
//! and known hosts. Of git it gets what we checked: a URL and names that cannot be options, and no protocol but
//! ssh.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Command, Context, Error, ErrorKind, Exit, Result};

use super::line;
use crate::{ObjectId, Repository};

/// What git and ssh may see of the environment.
const INHERITED: [&str; 6] = ["PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND"];

/// What runs on the other side, whatever a configuration says.
const UPLOAD_PACK: &str = "--upload-pack=git-upload-pack";

/// Returns whether the text is a place that is reached over ssh: `ssh://…`, or `[user@]host:path`.
pub(super) fn is_place(text: &str) -> bool {
    text.starts_with("ssh://") || (!text.contains("://") && short(text).is_some())
}

/// Refuses what ssh or git could take for something else than a host, a user and a path.
pub(super) fn check(text: &str) -> std::result::Result<(), &'static str> {
    let (authority, path) = match text.strip_prefix("ssh://") {
        Some(rest) => rest.split_once('/').ok_or("it has no path")?,
        None => short(text).ok_or("it has no host")?,
    };
    // `user:password@host:path` is read as a path on the host `user`.
    if !text.starts_with("ssh://") && path.split('/').next().is_some_and(|step| step.contains('@')) {
        return Err("there is a password in it, or its path begins with a name that has an `@`");
    }
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains(':') {
        return Err("there is a password in it; ssh uses keys");
    }
    let name = |text: &str| {
        !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let (name_of_host, port) = host.split_once(':').unwrap_or((host, "22"));
    if !name(user) || name_of_host.is_empty() || !name(name_of_host) || port.parse::<u16>().is_err() {
        return Err("its host or user is none for ssh");
    }
    // The other side gives it to a shell, in quotes; an option has none.
    if path.is_empty() || path.starts_with('-') || path.chars().any(char::is_control) {
        return Err("its path is none for git");
    }
    Ok(())
}

/// Splits `[user@]host:path`; git takes `host:path` for that as long as no `/` comes before the colon.
fn short(text: &str) -> Option<(&str, &str)> {
    let (authority, path) = text.split_once(':')?;
    (!authority.is_empty() && !authority.contains('/') && !path.starts_with(':')).then_some((authority, path))
}

/// Returns where the branch, by its full name, is.
pub(super) async fn tip(cx: &Context, url: &str, branch: &str) -> Result<Option<String>> {
    let listed = git(cx, url, &["ls-remote", "--quiet", UPLOAD_PACK, "--", url, branch]).await?.stdout;
    let mut lines = listed.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.find(|(_, name)| *name == branch).map(|(id, _)| id.to_owned()))
}

/// Brings what is new on the branch into the repository.
pub(super) async fn fetch(cx: &Context, url: &str, into: &Repository, branch: &str, as_: &str) -> Result<()> {
    let folder = into.git_folder();
    let refspec = format!("+{branch}:{as_}");
    let args = [
        "--git-dir",
        &folder,
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        UPLOAD_PACK,
        "--",
        url,
        &refspec,
    ];
    git(cx, url, &args).await.map(drop)
}

/// Moves the branch, if it is where it is said to be.
pub(super) async fn push(
    cx: &Context,
    url: &str,
    of: &Repository,
    branch: &str,
    from: Option<ObjectId>,
    to: ObjectId,
) -> Result<()> {
    let folder = of.git_folder();
    // Without a commit, the branch must not be there (git-push(1), `--force-with-lease`).
    let from = from.map(|from| from.to_string()).unwrap_or_default();
    let (lease, refspec) = (format!("--force-with-lease={branch}:{from}"), format!("{to}:{branch}"));
    let args = [
        "--git-dir",
        &folder,
        "push",
        "--quiet",
        "--no-verify",
        "--recurse-submodules=no",
        "--receive-pack=git-receive-pack",
        &lease,
        "--",
        url,
        &refspec,
    ];
    git(cx, url, &args).await.map(drop)
}

async fn git(cx: &Context, url: &str, args: &[&str]) -> Result<Exit> {
    // What a repository's own configuration may say that git would run, or ask instead.
    let own = [(format!("url.{url}.insteadOf"), url), (format!("url.{url}.pushInsteadOf"), url)];
    let settings = [
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("core.alternateRefsCommand", "true"),
        ("push.gpgSign", "false"),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value)).into_iter().chain(own);
    let mut env: BTreeMap<String, String> = [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // Counts more than any configuration (git(1)).
        ("GIT_ALLOW_PROTOCOL", "ssh"),
        ("LC_ALL", "C"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (number, (key, value)) in settings.enumerate() {
        env.insert(format!("GIT_CONFIG_KEY_{number}"), key);
        env.insert(format!("GIT_CONFIG_VALUE_{number}"), value.to_owned());
        env.insert("GIT_CONFIG_COUNT".to_owned(), (number + 1).to_string());
    }
    if cx.env("GIT_SSH_COMMAND").is_none() {
        // `GIT_SSH` alone counts less than `core.sshCommand`.
        let ssh = match cx.env("GIT_SSH") {
            Some(program) => format!("'{}'", program.replace('\'', r"'\''")),
            // Nobody is there to answer a question.
            None => "ssh -oBatchMode=yes".to_owned(),
        };
        env.insert("GIT_SSH_COMMAND".to_owned(), ssh);
    }
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let command = Command::new("git")
        .args(args)
        .inherit(BTreeSet::from(INHERITED.map(str::to_owned)))
        .env(env)
        .capture(true);
    let exit = cx.run(command).await?;
    if exit.code == 0 {
        return Ok(exit);
    }
    let said = line::said(exit.stderr.as_bytes());
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let refused = |kind, hint: &str| Error::new(kind, format!("`{url}`: git says `{said}`")).hint(hint);
    Err(if has(&["Permission denied", "Host key verification failed", "rejected]"]) {
        refused(ErrorKind::Auth, "see whether `ssh` comes to this host without a question, and may do this")
    } else if has(&["does not appear to be a git repository", "not found", "not exist"]) {
        refused(ErrorKind::NotFound, "see whether the path is that of a repository")
    } else {
        refused(ErrorKind::Unavailable, "see whether `ssh` comes to this host").retry(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_a_user_and_a_path_are_taken() {
        for good in [
            "ssh://git@git.example.com/team/env.git",
            "ssh://git.example.com:2222/~/env.git",
            "git@git.example.com:team/env.git",
            "host:env.git",
        ] {
            assert!(is_place(good), "{good}");
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "ssh://-oProxyCommand=id/x",
            "ssh://git:secret@host/x",
            "ssh://host",
            "ssh://host/",
            "ssh://host:port/x",
            "ssh://a b/x",
            "ssh:///x",
            "-oProxyCommand=id:x",
            "host:-x",
            "host:",
            "ho$(id)st:x",
            "host:a\nb",
            "oauth2:pa55word@host/x",
            "git@host:pa55word@x/y",
        ] {
            assert!(is_place(bad), "{bad}");
            assert!(check(bad).is_err(), "{bad}");
        }
        for other in ["ext::sh -c id", "file:///x", "/a/b", "./a:b", "https://a/b", "EXT::x", "a"] {
            assert!(!is_place(other), "{other}");
        }
    }
}
