//! Texts rather than images: tags of a repository's commit, manifests, and what means no good.

use std::{ffi::OsStr, fs, io, path::Path, process::Command};

use super::{
    ROUNDS,
    contender::{Bench, Median},
    table::{Outcome, Peer, Row, others},
};
use crate::{Result, tools::quietly};

/// Makes the texts, and measures what is done with them.
pub(super) fn rows(bench: &Bench<'_>, folder: &Path) -> Result<Vec<Row>> {
    let failed = |error: io::Error| format!("`{}`: {error}", folder.display());
    let (repository, template) = (folder.join("repository"), folder.join("kubernetes.yaml"));
    write_repository(&repository).map_err(failed)?;
    for args in [
        &["init", "--quiet"][..],
        &["add", "."],
        &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "first"],
    ] {
        quietly(Command::new("git").arg("-C").arg(&repository).args(args))?;
    }
    fs::write(&template, manifests()).map_err(failed)?;

    let at = |path: &Path| path.to_string_lossy().into_owned();
    let contenders = [bench.text(&["tags", &at(&repository), "50"]), bench.git_status(&repository)];
    let taken = bench.race(&contenders, ROUNDS)?;
    let mut rows = vec![Row::new(
        "gitCommit tags of 50 artifacts in a repository of 20,000 files",
        taken[0].seconds,
        [others(&contenders[1..], &taken[1..]), vec![Peer::recorded("Skaffold", 0.38)]].concat(),
        Outcome::AtMost { what: "× git status", value: taken[0].seconds / taken[1].seconds, limit: 1.5 },
    )];
    let work = "10,000 manifests (6.6 MB) read, images replaced, written";
    let written = at(&folder.join("written.yaml"));
    let taken = bench.race(&[bench.text(&["manifests", &at(&template), &written])], ROUNDS)?[0];
    rows.extend(within(work, taken, 1.0, 300.0));
    let mut worst = Median { seconds: 0.0, peak: 0 };
    for (name, text) in bombs() {
        let path = folder.join(name);
        fs::write(&path, text).map_err(failed)?;
        let taken = bench.race(&[bench.text(&["hostile", &at(&path)])], ROUNDS)?[0];
        worst = Median { seconds: worst.seconds.max(taken.seconds), peak: worst.peak.max(taken.peak) };
    }
    rows.extend(within("a hostile YAML document of 1 MB, the worst of eight", worst, 0.25, 64.0));
    rows.extend(configurations(bench)?);
    Ok(rows)
}

/// Measures what reading a configuration takes; each program takes the middle of its own runs.
fn configurations(bench: &Bench<'_>) -> Result<[Row; 3]> {
    let times = bench.times_of(&["configs", EXAMPLES, "10000"].map(OsStr::new))?;
    let of = |name: &str| times.iter().find(|(own, _)| own == name).map_or(f64::NAN, |(_, took)| *took);
    let at_most = |what, value, limit| Outcome::AtMost { what, value, limit };
    let (loaded, worst) = (of("loaded"), of("worst"));
    let broken = "10,000 broken skaffold.yaml files, the worst of them";
    Ok([
        Row::new(
            "a skaffold.yaml of v1beta2 with 2,000 lines and 20 profiles, loaded",
            loaded,
            Vec::new(),
            at_most("s", loaded, 0.005),
        ),
        Row::new(broken, worst, Vec::new(), at_most("s", worst, 0.25)),
        Row::new(
            &format!("peak memory of that ({broken})"),
            worst,
            Vec::new(),
            at_most("MB", of("peak in MB"), 64.0),
        ),
    ])
}

/// Files that are broken, in the checkout.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/tests/skaffold/examples/in");

pub(super) fn within(work: &str, taken: Median, seconds: f64, megabytes: f64) -> [Row; 2] {
    let time = Outcome::AtMost { what: "s", value: taken.seconds, limit: seconds };
    let memory = Outcome::AtMost { what: "MB", value: taken.peak as f64 / 1024.0, limit: megabytes };
    [
        Row::new(work, taken.seconds, Vec::new(), time),
        Row::new(&format!("peak memory of that ({work})"), taken.seconds, Vec::new(), memory),
    ]
}

/// Writes 20,000 files in 200 folders.
fn write_repository(folder: &Path) -> io::Result<()> {
    for index in 0..20_000 {
        let folder = folder.join((index % 200).to_string());
        if index < 200 {
            fs::create_dir_all(&folder)?;
        }
        fs::write(folder.join(format!("{index}.txt")), format!("file {index}\n").repeat(20))?;
    }
    Ok(())
}

/// Returns 10,000 objects of about 650 bytes, each with an image of the release.
fn manifests() -> String {
    let mut text = String::new();
    for index in 0..10_000 {
        let image =
            if index % 4 == 0 { format!("app-{}:1.0", index % 50) } else { format!("other-{index}:1.0") };
        text.extend([format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{index} # the {index}th\n  labels:\n    \
             app: app-{index}\n    team: 'shop'\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: \
             app-{index}\n  template:\n    metadata:\n      labels:\n        app: app-{index}\n    spec:\n      containers:\n      \
             - name: main\n        image: registry.example/{image}\n        ports:\n        - containerPort: 8080\n        \
             env:\n        - name: GREETING\n          value: \"hello, {index}\"\n        resources:\n          limits: {{cpu: \
             100m, memory: 64Mi}}\n          requests: {{cpu: 50m, memory: 32Mi}}\n        livenessProbe:\n          \
             httpGet: {{path: /healthz, port: 8080}}\n"
        )]);
    }
    text
}

/// Returns documents of a megabyte, each of which some reader takes too long or too much memory for.
fn bombs() -> Vec<(&'static str, String)> {
    const SIZE: usize = 1 << 20;
    let many = |text: &dyn Fn(usize) -> String| -> String {
        let mut all = String::new();
        let mut index = 0;
        while all.len() < SIZE {
            all.push_str(&text(index));
            index += 1;
        }
        all.truncate(SIZE);
        all
    };
    let laughs = |count: usize| {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..count {
            let alias = format!("*a{}", level - 1);
            text.extend([format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "))]);
        }
        text
    };
    let references = laughs(9) + &many(&|index| format!("k{index}: *a5\n"));
    vec![
        ("nested.yaml", "{a: ".repeat(SIZE / 4)),
        ("lists.yaml", "- ".repeat(SIZE / 2)),
        ("laughs.yaml", references),
        ("keys.yaml", many(&|index| format!("key-{index}: 1\n"))),
        ("anchors.yaml", many(&|index| format!("- &a{index} [*a{}]\n", index.saturating_sub(1)))),
        (
            "merges.yaml",
            "a: &a {x: 1}\n".to_owned() + &many(&|index| format!("b{index}: {{<<: *a, y: 1}}\n")),
        ),
        ("scalar.yaml", format!("a: \"{}\"\n", "\\x41".repeat(SIZE / 4))),
        ("documents.yaml", "---\n- \n".repeat(SIZE / 7)),
    ]
}
