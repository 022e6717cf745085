//! The programs that `cargo xtask bench` times: Shipway's work, and the least that the same work takes.
//!
//! ```text
//! targets push HOST REPOSITORY SOURCES LEVEL COUNT [CACHE]   # COUNT artifacts, built and pushed by Shipway
//! targets floor HOST REPOSITORY SOURCES LEVEL        # tar, both SHA-256, libdeflate on all cores; then sent
//! targets parts HOST REPOSITORY SOURCES LEVEL        # the same, one after the other, and what each took
//! targets incremental HOST REPOSITORY SOURCES LEVEL CACHE   # cold, again with one file changed, and its bytes alone
//! targets nothing - - FOLDER COUNT SIZE              # an artifact of COUNT files that has nothing to do, and an lstat walk
//! targets many HOST REPOSITORY FOLDER                # 50 artifacts that have nothing to do
//! targets consumer                                   # a run that nobody listens to, and one with a reader that never reads
//! targets plans                                      # plans of 1,000 artifacts, schedules of 10,000 tasks
//! targets layer HOST REPOSITORY - MEGABYTES          # one big layer, made as it is read
//! targets start                                      # a world, every kind of plug-in and a driver; nothing to do
//! targets cluster KUBECONFIG CONTEXT COUNT OUTPUT    # COUNT objects applied to a cluster: bare requests, and the deployer
//! targets release KUBECONFIG CONTEXT KUBECTL BASE ROUNDS   # a changed file until its pod is ready, and `kubectl set image`
//! targets raw HOST REPOSITORY COUNT                  # the requests of COUNT small pushes, and nothing else
//! targets tags FOLDER COUNT                          # gitCommit tags of COUNT numbered folders of a repository
//! targets manifests TEMPLATE OUTPUT                  # manifests read, their images replaced, and written
//! targets hostile TEMPLATE                           # the same of a file that is refused
//! targets configs FOLDER COUNT                       # a large old skaffold.yaml loaded, and COUNT broken ones of a folder
//! ```
//!
//! A level is one of gzip, and in `push` and `incremental` also one of zstd, such as `zstd:3`. Each prints its peak memory in KiB at the end. Without such arguments, as part of the tests, it tries all of them on a few
//! files.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench for people, which makes and times what it measures"
)]

mod cluster;
mod configs;
mod engine;
mod floor;
mod incremental;
mod raw;
mod release;
mod text;

use std::{path::Path, sync::Arc};

use shipway::{
    Artifact, Build, Cancel, DiskCache, Driver, HostDisk, Pipeline,
    builders::{LayerCompression, Native, NativeConfig},
    oci::Registry,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["push", host, repository, sources, level, count, rest @ ..] => {
            let cache = rest.first().map(Path::new);
            push(host, repository, Path::new(sources), compression(level), number(count), cache);
        }
        ["floor", host, repository, sources, level] => {
            floor::run(host, repository, Path::new(sources), number(level));
        }
        ["parts", host, repository, sources, level] => {
            for (name, took) in floor::parts(host, repository, Path::new(sources), number(level)) {
                println!("{:.3} {name}", took.as_secs_f64());
            }
        }
        ["incremental", host, repository, sources, level, cache] => {
            for (name, took) in
                incremental::run(host, repository, Path::new(sources), level, Path::new(cache))
            {
                println!("{took:.3} {name}");
            }
        }
        ["nothing", _, _, folder, count, size] => {
            print(&engine::nothing(Path::new(folder), number(count), number(size), 5));
        }
        ["many", host, repository, folder] => {
            print(&engine::nothing_for_many(host, repository, Path::new(folder), 5));
        }
        ["start"] => engine::start(),
        ["consumer", ..] => print(&engine::consumer(3000, 9)),
        ["plans", ..] => print(&engine::plans(5)),
        ["layer", host, repository, _, megabytes] => {
            print(&engine::layer(host, repository, number(megabytes)));
        }
        ["cluster", kubeconfig, context, count, output] => {
            print(&cluster::run(Path::new(kubeconfig), context, number(count), Path::new(output)));
        }
        ["release", kubeconfig, context, kubectl, base, rounds] => {
            for (name, took) in release::run(Path::new(kubeconfig), context, kubectl, base, number(rounds)) {
                println!("{took:.9} {name}");
            }
        }
        ["raw", host, repository, count] => raw::small(host, repository, number(count)),
        ["tags", folder, count] => text::tags(Path::new(folder), number(count)),
        ["manifests", template, output] => text::manifests(Path::new(template), Path::new(output)),
        ["hostile", template] => text::hostile(Path::new(template)),
        ["configs", folder, count] => {
            println!("{:.9} loaded", configs::load(101));
            println!("{:.9} worst", configs::broken(Path::new(folder), number(count)));
            println!("{:.3} peak in MB", peak() as f64 / 1024.0);
        }
        _ => try_all(),
    }
    println!("{}", peak());
}

fn print(times: &[(&str, f64)]) {
    for (name, took) in times {
        println!("{took:.9} {name}");
    }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap_or_else(|| panic!("`{text}` is no number"))
}

fn compression(text: &str) -> LayerCompression {
    match text.strip_prefix("zstd:") {
        Some(level) => LayerCompression::zstd().level(number(level)),
        None => LayerCompression::gzip().level(number(text)),
    }
}

/// Builds and pushes the artifacts: one in `sources` itself, or several in numbered folders below it.
fn push(
    host: &str,
    repository: &str,
    sources: &Path,
    how: LayerCompression,
    count: usize,
    cache: Option<&Path>,
) {
    let options = NativeConfig::default().compression(how);
    let native = Arc::new(Native::new(options).expect("there is such a level"));
    let mut pipeline = Pipeline::new("bench");
    for index in 0..count {
        let context = if count == 1 { ".".to_owned() } else { index.to_string() };
        let artifact = Artifact::new(format!("a{index}"), context);
        let builder = Arc::clone(&native);
        pipeline = pipeline.build(Build::new(artifact, format!("{host}/{repository}/{index}"), builder));
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = shipway::host(sources);
    let driver = Driver::new(match cache {
        Some(folder) => world.cache(DiskCache::new(Arc::new(HostDisk), folder)),
        None => world,
    });
    let report = runtime.block_on(driver.run(&pipeline, &Cancel::new())).expect("a report");
    report.into_result().expect("all are pushed");
}

/// Returns the most memory that this process had, in KiB (proc(5), `VmHWM`).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("proc(5) has it");
    number(line.trim().trim_end_matches(" kB"))
}

fn try_all() {
    let folder = tempfile::tempdir().expect("a folder");
    for index in 0..2 {
        let files = folder.path().join(format!("sources/{index}/files"));
        std::fs::create_dir_all(&files).expect("a folder");
        std::fs::write(files.join("a.txt"), "hello").expect("a file");
        std::fs::write(files.with_file_name("Dockerfile"), "FROM scratch\nCOPY files /\n").expect("a file");
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk));
    let registry = runtime.block_on(registry).expect("starts");
    let sources = folder.path().join("sources");
    push(&registry.host(), "push", &sources, compression("1"), 2, None);
    floor::run(&registry.host(), "floor", &sources, 6);
    floor::parts(&registry.host(), "parts", &sources, 6);
    let (one, cache) = (sources.join("0"), folder.path().join("cache"));
    incremental::run(&registry.host(), "incremental", &one, "zstd:1", &cache);
    engine::try_all(&registry.host(), folder.path());
    raw::small(&registry.host(), "raw", 3);
    let tagged = raw::get(&registry.host(), "/v2/push/1/tags/list");
    assert!(tagged.starts_with("HTTP/1.1 200") && tagged.contains("shipway-"), "{tagged}");
    assert!(raw::get(&registry.host(), "/v2/raw/2/manifests/1").starts_with("HTTP/1.1 200"));
    let (template, output) = (folder.path().join("k.yaml"), folder.path().join("out.yaml"));
    let pod = |image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers: [{{image: {image}}}]\n"
        )
    };
    std::fs::write(&template, pod("app-7:1")).expect("a file");
    text::manifests(&template, &output);
    let written = std::fs::read_to_string(&output).expect("a file");
    assert_eq!(written, pod(&format!("registry.example/app-7@sha256:{}", "a".repeat(64))));
    std::fs::write(&template, "{a: ".repeat(1000)).expect("a file");
    text::hostile(&template);
    assert!(configs::load(1) > 0.0);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/config/tests/skaffold/examples/in");
    assert!(configs::broken(&examples, 300) > 0.0);
    runtime.block_on(registry.shutdown());
}
