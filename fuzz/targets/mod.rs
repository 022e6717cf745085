//! The fuzz targets: each hands bytes that may come from anybody to a public door of Shipway, and panics where a
//! promise is broken. `src/main.rs` drives them by coverage, and the test `fuzz_corpus` replays what is in `corpus/`.

mod caches;
mod configs;
mod credentials;
mod dockerfiles;
mod events;
mod git;
mod ignores;
mod images;
mod journals;
mod registries;
mod server;
mod sources;
mod templates;
mod world;
mod yaml;

/// A target by its name, which is also the name of its folder in `corpus/`.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Panics where a promise is broken.
    pub(crate) run: fn(&[u8]),
}

/// All targets, sorted.
pub(crate) const TARGETS: [Target; 20] = [
    Target { name: "cache_entry", run: caches::entry },
    Target { name: "challenge", run: registries::challenge },
    Target { name: "docker_config", run: credentials::docker_config },
    Target { name: "dockerfile", run: dockerfiles::dockerfile },
    Target { name: "events", run: events::lines },
    Target { name: "file_index", run: caches::file_index },
    Target { name: "git", run: git::fetch },
    Target { name: "ignore", run: ignores::rules },
    Target { name: "image_config", run: images::config },
    Target { name: "image_files", run: images::files },
    Target { name: "init", run: configs::init },
    Target { name: "journal", run: journals::read },
    Target { name: "manifest", run: images::manifest },
    Target { name: "reference", run: images::reference },
    Target { name: "skaffold", run: configs::skaffold },
    Target { name: "tar", run: images::tar },
    Target { name: "template", run: templates::template },
    Target { name: "time_layout", run: templates::time_layout },
    Target { name: "yaml", run: yaml::read },
    Target { name: "yaml_edit", run: yaml::edit },
];
