//! The builder's own options as steps, where there is no Dockerfile.

use shipway_core::Result;
use shipway_oci::ImageConfig;

use super::{
    FileCopy, NativeConfig,
    assembly::{Assembly, Change, Copy, From},
    chmod::ModeChange,
};
use crate::sources::Source;

const OUTPUT: &str = "{output}";

/// Returns the steps upon a base.
pub(super) fn assemble(options: &NativeConfig, base: ImageConfig) -> Result<Assembly> {
    let mut assembly = Assembly::new(base);
    let settings = &options.config;
    if let Some(user) = &settings.user {
        assembly.config.user.clone_from(user);
    }
    if let Some(path) = &settings.workdir {
        assembly.workdir(&format!("native: folder {path}"), path, None)?;
    }
    for file in &options.files {
        let copy = copy(&assembly, file)?;
        assembly.step(
            &format!("native: copy {} to {}", file.from, copy.destination),
            Change::Copy(Box::new(copy)),
        );
    }
    for (name, value) in &settings.env {
        assembly.config.set_env(name, value);
    }
    for (name, value) in &settings.labels {
        assembly.config.labels.insert(name.clone(), value.clone());
    }
    for port in &settings.expose {
        assembly.expose(port)?;
    }
    if let Some(argv) = &settings.entrypoint {
        assembly.entrypoint(argv, false);
    }
    if let Some(argv) = &settings.cmd {
        assembly.config.cmd.clone_from(argv);
    }
    assembly.step("native: configuration", Change::Nothing);
    Ok(assembly)
}

fn copy(assembly: &Assembly, file: &FileCopy) -> Result<Copy> {
    let (from, source) = match below_output(&file.from) {
        Some(below) => (From::Prepared, Source::new(below, "what the commands made")?),
        None => (From::Context, Source::new(&file.from, "the context")?),
    };
    Ok(Copy {
        from,
        sources: vec![source.path],
        texts: Vec::new(),
        destination: assembly.absolute(&file.to),
        mode: file.chmod.map(|mode| ModeChange::To(mode.bits())),
        owner: file.chown.map(|owner| owner.to_string()),
        link: false,
        parents: false,
        exclude: Vec::new(),
        unpack: false,
        at: None,
    })
}

fn below_output(path: &str) -> Option<&str> {
    path.strip_prefix(OUTPUT).filter(|below| below.is_empty() || below.starts_with('/'))
}

/// Returns what the image copies of the context.
pub(super) fn sources(options: &NativeConfig) -> Result<Vec<Source>> {
    let files = options.files.iter().filter(|file| below_output(&file.from).is_none());
    files.map(|file| Source::new(&file.from, "the context")).collect()
}

/// Returns what the commands read of the context.
pub(super) fn dependencies(options: &NativeConfig) -> Result<Vec<Source>> {
    let whole = [".".to_owned()];
    let mut sources = Vec::new();
    for prepare in &options.prepare {
        let paths = if prepare.dependencies.is_empty() { &whole[..] } else { &prepare.dependencies };
        for path in paths {
            sources.push(Source::new(path, "the context")?);
        }
    }
    Ok(sources)
}

/// Replaces `{output}` by the folder.
pub(super) fn with_output(word: &str, folder: &str) -> String {
    word.replace(OUTPUT, folder)
}
