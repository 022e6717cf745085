//! A cluster: a thousand objects compared and applied, beside the bare requests and beside kubectl.

use std::{ffi::OsStr, fs, path::Path, process::Command};

use super::{
    contender::Bench,
    table::{Outcome, Peer, Row},
};
use crate::{Result, bed::Settings, tools::quietly};

const OBJECTS: &str = "1000";

/// Measures it in a bed with Kubernetes; each work once, since kubectl takes minutes.
pub(super) fn rows(bench: &Bench<'_>, settings: &Settings, folder: &Path) -> Result<Vec<Row>> {
    let get = |name| settings.get(name).ok_or_else(|| format!("the bed has no `{name}`"));
    let (kubeconfig, kubectl) = (get("SHIPWAY_KUBECONFIG")?, get("SHIPWAY_KUBECTL")?);
    fs::create_dir_all(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let (ten, theirs) = (folder.join("ten.yaml"), folder.join("theirs.yaml"));
    let arguments =
        ["cluster", kubeconfig, "shipway-bed", OBJECTS].map(OsStr::new).into_iter().chain([ten.as_os_str()]);
    let times = bench.times_of(&arguments.collect::<Vec<_>>())?;
    let of = |name: &str| times.iter().find(|(own, _)| own == name).map_or(f64::NAN, |(_, took)| *took);

    // The same objects in a namespace of kubectl's own.
    let text = fs::read_to_string(&ten).map_err(|error| format!("`{}`: {error}", ten.display()))?;
    let namespace = text.split("\"namespace\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let namespace = namespace.ok_or("the objects have no namespace")?;
    fs::write(&theirs, text.replace(namespace, "bench-kubectl"))
        .map_err(|error| format!("`{}`: {error}", theirs.display()))?;
    let with = |arguments: &[&str]| {
        let mut command = Command::new(kubectl);
        command.args(["--kubeconfig", kubeconfig]).args(arguments);
        command
    };
    quietly(&mut settings.inside(&with(&["create", "namespace", "bench-kubectl"])))?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let (ten, theirs) = (path(&ten), path(&theirs));
    let apply = ["apply", "--server-side", "-f", theirs.as_str()];
    let new = bench.once(&bench.command("kubectl apply --server-side", with(&apply)))?;
    let again = bench.once(&bench.command("kubectl apply --server-side", with(&apply)))?;
    // It ends with 1 where something differs.
    let mut diff = Command::new("sh");
    diff.args([
        "-c",
        r#""$0" --kubeconfig "$1" diff -f "$2" > /dev/null; [ $? -eq 1 ]"#,
        kubectl,
        kubeconfig,
        &ten,
    ]);
    let diff = bench.once(&bench.command("kubectl diff", diff))?;

    let row = |work: &str, ours: &str, bare: &str, kubectl: f64, recorded: f64, limit: f64| {
        let (took, bare_took) = (of(ours), of(bare));
        let others = vec![
            Peer::new("bare requests, 8 at once", bare_took),
            Peer::new("kubectl apply --server-side", kubectl),
            Peer::recorded("Skaffold", recorded),
        ];
        let outcome = Outcome::AtMost { what: "× bare requests", value: took / bare_took, limit };
        Row::new(work, took, others, outcome)
    };
    let ten_differ = of("diff of which 10 differ");
    Ok(vec![
        row(
            "1,000 new objects compared with a cluster and applied",
            "diff and apply, new",
            "bare requests, new",
            new.seconds,
            39.0,
            1.5,
        ),
        row(
            "the same again, unchanged",
            "diff and apply, again",
            "bare requests, again",
            again.seconds,
            88.0,
            0.7,
        ),
        Row::new(
            "the difference of 1,000 objects of which 10 differ",
            ten_differ,
            vec![Peer::new("kubectl diff", diff.seconds)],
            Outcome::AtLeast {
                what: "× faster than kubectl diff",
                value: diff.seconds / ten_differ,
                limit: 10.0,
            },
        ),
    ])
}
