//! A cluster: a thousand objects compared and applied, beside the bare requests and beside kubectl.

use std::{ffi::OsStr, fs, path::Path, process::Command};

use super::{
    command,
    contender::Bench,
    table::{Outcome, Peer, Row, seconds},
};
use crate::{Result, bed::Settings, tools::quietly};

const OBJECTS: &str = "1000";

/// How often a release is timed: nodes look at what runs once a second, so that single times say little.
const ROUNDS: &str = "15";

/// Measures it in a bed with Kubernetes; kubectl's work once, since it takes minutes.
pub(super) fn rows(
    bench: &Bench<'_>,
    settings: &Settings,
    program: &Path,
    folder: &Path,
) -> Result<(Vec<Row>, Vec<String>)> {
    let get = |name| settings.get(name).ok_or_else(|| format!("the bed has no `{name}`"));
    let (kubeconfig, kubectl) = (get("SHIPWAY_KUBECONFIG")?, get("SHIPWAY_KUBECTL")?);
    fs::create_dir_all(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let (ten, theirs) = (folder.join("ten.yaml"), folder.join("theirs.yaml"));
    let arguments =
        ["cluster", kubeconfig, "shipway-bed", OBJECTS].map(OsStr::new).into_iter().chain([ten.as_os_str()]);
    let times = bench.times_of(&arguments.collect::<Vec<_>>())?;
    let of = |name: &str| times.iter().find(|(own, _)| own == name).map_or(f64::NAN, |(_, took)| *took);
    let unchanged =
        command::unchanged(bench, settings, program, &folder.join("command"), of("diff and apply, again"))?;

    // The same objects in a namespace of kubectl's own.
    let text = fs::read_to_string(&ten).map_err(|error| format!("`{}`: {error}", ten.display()))?;
    let namespace = text.split("\"namespace\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let namespace = namespace.ok_or("the objects have no namespace")?;
    fs::write(&theirs, text.replace(namespace, "bench-kubectl"))
        .map_err(|error| format!("`{}`: {error}", theirs.display()))?;
    quietly(&mut settings.inside(&settings.kubectl(&["create", "namespace", "bench-kubectl"])?))?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let (ten, theirs) = (path(&ten), path(&theirs));
    let apply = ["apply", "--server-side", "-f", theirs.as_str()];
    let new = bench.once(&Bench::command("kubectl apply --server-side", settings.kubectl(&apply)?))?;
    let again = bench.once(&Bench::command("kubectl apply --server-side", settings.kubectl(&apply)?))?;
    // It ends with 1 where something differs.
    let mut diff = Command::new("sh");
    diff.args([
        "-c",
        r#""$0" --kubeconfig "$1" diff -f "$2" > /dev/null; [ $? -eq 1 ]"#,
        kubectl,
        kubeconfig,
        &ten,
    ]);
    let diff = bench.once(&Bench::command("kubectl diff", diff))?;

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
    let (released, parts) = release(bench, settings, kubeconfig, kubectl)?;
    let ten_differ = of("diff of which 10 differ");
    let rows = vec![
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
        released,
        unchanged,
    ];
    Ok((rows, vec![parts]))
}

/// Measures a changed source file until its pod is ready, and says what it is made of.
fn release(bench: &Bench<'_>, settings: &Settings, kubeconfig: &str, kubectl: &str) -> Result<(Row, String)> {
    let registry = settings.get("SHIPWAY_BED_REGISTRY").ok_or("the bed has no registry")?;
    let base = format!("{registry}/bases/busybox:local");
    let times =
        bench.times_of(&["release", kubeconfig, "shipway-bed", kubectl, &base, ROUNDS].map(OsStr::new))?;
    let of = |name: &str| times.iter().find(|(own, _)| own == name).map_or(f64::NAN, |(_, took)| *took);
    let (ours, theirs) = (of("shipway"), of("kubectl set image"));
    let parts = ["build", "render", "diff", "apply", "health", "diff/settle", "apply/settle"]
        .map(|part| format!("{part} {}", seconds(of(part))));
    let note = format!(
        "From the changed file to its ready pod the tasks take, in the median of {ROUNDS} rounds: {}. The last two come after it is \
        ready, and health is the node's own time, as it is for kubectl.",
        parts.join(", ")
    );
    let row = Row::new(
        "a changed source file until its new pod is ready, native builder and in-process registry",
        ours,
        vec![Peer::new("kubectl set image, of a pushed image", theirs)],
        Outcome::AtMost { what: "s above kubectl set image", value: ours - theirs, limit: 0.3 },
    );
    Ok((row, note))
}
