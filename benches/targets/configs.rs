//! Configurations: a large old one, and files that somebody broke.

use std::{fmt::Write as _, fs, hint::black_box, path::Path, time::Instant};

use shipway::{
    Catalog,
    config::{Options, Skaffold, Trust},
};

/// Loads the large file so often, and returns the middle of its seconds.
pub(crate) fn load(rounds: usize) -> f64 {
    let (text, catalog) = (large(), shipway::catalog());
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            let options = Options::default().profiles(["p7"]).trust(Trust::Full);
            black_box(Skaffold::read("skaffold.yaml", &text, options, &catalog).expect("it is read"));
            begun.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}

/// Returns a file of 2,000 lines of v1beta2, with 20 profiles.
fn large() -> String {
    let mut text = "apiVersion: skaffold/v1beta2\nkind: Config\nbuild:\n  artifacts:\n".to_owned();
    for index in 0..100 {
        let _ = write!(
            text,
            "  - image: registry.example/app-{index}\n    context: services/app-{index}\n    docker:\n      dockerfile: \
             Dockerfile\n      target: run\n      buildArgs:\n        VERSION: '{index}'\n        NAME: app-{index}\n    \
             sync:\n      '*.js': /app\n"
        );
    }
    text.push_str(
        "  tagPolicy:\n    sha256: {}\n  local:\n    push: true\ndeploy:\n  kubectl:\n    manifests:\n",
    );
    for index in 0..100 {
        let _ = writeln!(text, "    - services/app-{index}/k8s.yaml");
    }
    text.push_str("profiles:\n");
    for index in 0..20 {
        let _ = write!(
            text,
            "- name: p{index}\n  build:\n    tagPolicy:\n      gitCommit: {{}}\n    googleCloudBuild:\n      projectId: \
             project-{index}\n  deploy:\n    helm:\n      releases:\n"
        );
        for release in 0..3 {
            let _ = write!(
                text,
                "      - name: app-{release}\n        chartPath: charts/app-{release}\n        namespace: stage-{index}\n        \
                 values:\n          image: registry.example/app-{release}\n        setValues:\n          replicas: {index}\n"
            );
        }
        for image in 0..7 {
            let part = if image == 0 { "  test:\n" } else { "" };
            let _ = write!(
                text,
                "{part}  - image: registry.example/app-{image}\n    structureTests: [test/{index}.yaml]\n"
            );
        }
    }
    text
}

/// Breaks the files of a folder so often, and returns the longest seconds that one took. Each is read or refused with a
/// place.
pub(crate) fn broken(folder: &Path, count: usize) -> f64 {
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).expect("a text")).collect();
    let catalog = shipway::catalog();
    let (mut random, mut worst) = (Random(1), 0.0_f64);
    for _ in 0..count {
        let text = random.broken(&texts);
        let begun = Instant::now();
        read(&text, &catalog);
        worst = worst.max(begun.elapsed().as_secs_f64());
    }
    worst
}

fn read(text: &str, catalog: &Catalog) {
    let options = Options::default().trust(Trust::Full);
    let read = Skaffold::read("skaffold.yaml", text, options, catalog);
    let read = read.and_then(|skaffold| skaffold.effective("/shop".as_ref()).map(|_| skaffold));
    if let Err(error) = read {
        let report = error.report();
        assert!(
            report.location.is_some() || !report.message.is_empty() && text.len() < 200,
            "{report}\n{text}"
        );
    }
}

/// Knuth's MMIX generator: the same breaks each time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most.max(1)
    }

    fn line(&mut self, texts: &[String]) -> String {
        let text = &texts[self.below(texts.len())];
        let lines = text.lines().count();
        text.lines().nth(self.below(lines)).unwrap_or_default().to_owned()
    }

    /// Returns a file of these with some lines gone, moved, copied, taken from another, cut, indented, or with other signs.
    fn broken(&mut self, texts: &[String]) -> String {
        let mut lines: Vec<String> = texts[self.below(texts.len())].lines().map(str::to_owned).collect();
        for _ in 0..=self.below(6) {
            let (at, other, how) = (self.below(lines.len()), self.below(lines.len()), self.below(9));
            if lines.is_empty() {
                break;
            }
            match how {
                0 => drop(lines.remove(at)),
                1 => lines.swap(at, other),
                2 => lines.insert(at, lines[other].clone()),
                3 => lines[at] = self.line(texts),
                4 => lines[at].insert_str(0, "  "),
                5 => lines[at] = lines[at].trim_start().to_owned(),
                6 => {
                    let cut = self.below(lines[at].len());
                    let cut = (0..=cut).rev().find(|cut| lines[at].is_char_boundary(*cut)).unwrap_or(0);
                    lines[at].truncate(cut);
                }
                7 => {
                    let sign = ["*a", "&a ", "<<: *a", "{", "[", "\"", "\t", "%", "!!int ", "- - - -", "? "];
                    let sign = sign[self.below(sign.len())];
                    lines[at].push_str(sign);
                }
                _ => {
                    let rest = [" []", " {}", " 1", " ''", " [[a]]", " {a: {b: c}}", " ~", " |"];
                    let rest = rest[self.below(rest.len())];
                    let kept = lines[at].find(':').map_or(0, |colon| colon + 1);
                    lines[at].truncate(kept);
                    lines[at].push_str(rest);
                }
            }
        }
        lines.join("\n")
    }
}
