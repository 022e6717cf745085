//! A folder of sources, a world around it, and programs that are counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use shipway_core::{
    Cancel, Context, Deployer, DiskCache, Error, HostDisk, Manifests, Record, Release, Result, RunContext,
    TaskId, World,
};
use shipway_deployers::Kubectl;
use shipway_yaml::Rules;
use tempfile::TempDir;

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    /// Where programs and their logs are, outside of the sources.
    pub(crate) tools: TempDir,
    pub(crate) record: Arc<Record>,
}

impl Stage {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
            tools: tempfile::tempdir().unwrap(),
            record: Arc::new(Record::new()),
        };
        fs::create_dir(stage.tools.path().join("bin")).unwrap();
        stage.write(files);
        stage
    }

    /// Returns a stage with the real kustomize, each start and end of which is written down; or says that it is missing.
    pub(crate) fn with_kustomize(test: &str, files: &[(&str, &str)]) -> Option<Self> {
        let kustomize = real_kustomize(test)?;
        let stage = Self::new(files);
        let log = stage.log();
        let log = log.display();
        stage.program(
            "kustomize",
            &format!(
                "echo \"start $1\" >> {log}\n{} \"$@\"\ncode=$?\necho \"end $1\" >> {log}\nexit $code",
                kustomize.display()
            ),
        );
        Some(stage)
    }

    pub(crate) fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// Makes a program of a script.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let path = self.tools.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.tools.path().join("log")
    }

    /// Returns the lines that programs wrote down, and forgets them.
    pub(crate) fn took(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let _ = fs::remove_file(self.log());
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn world(&self) -> World {
        let path = format!("{}:/usr/bin:/bin", self.tools.path().join("bin").display());
        World::host(self.folder.path())
            .env([("PATH".to_owned(), path), ("HOME".to_owned(), self.tools.path().display().to_string())])
            .cache(DiskCache::new(Arc::new(HostDisk), self.tools.path().join("cache")))
            .sink(Arc::clone(&self.record) as Arc<dyn shipway_core::Sink>)
    }

    /// Returns the context of a new run.
    pub(crate) fn cx(&self) -> Context {
        context(self.world())
    }

    pub(crate) async fn render(&self, kubectl: &Kubectl) -> Result<Manifests> {
        kubectl.render(&self.cx(), &Release::new("shop")).await
    }

    pub(crate) async fn refused(&self, kubectl: &Kubectl) -> Error {
        self.render(kubectl).await.expect_err("refused")
    }

    /// Returns everything that was told.
    pub(crate) fn told(&self) -> String {
        self.record.events().iter().map(|event| format!("{event:?}\n")).collect()
    }

    /// Returns the files that are declared, below the root.
    pub(crate) async fn inputs(&self, kubectl: &Kubectl) -> Result<BTreeSet<String>> {
        let inputs = kubectl.inputs(&self.cx()).await?;
        Ok(inputs.files.iter().map(|file| file.display().to_string()).collect())
    }
}

pub(crate) fn context(world: World) -> Context {
    RunContext::new(world, "run").context(TaskId::parse("render:shop").ok(), None, Cancel::new())
}

pub(crate) fn real_kustomize(test: &str) -> Option<PathBuf> {
    let path = env::var_os("SHIPWAY_KUSTOMIZE").map(PathBuf::from);
    if path.is_none() {
        crate::skip::skip(test, "kustomize: SHIPWAY_KUSTOMIZE");
    }
    path
}

/// Returns the objects by their kinds and names, without the labels that every release gives.
pub(crate) fn objects(manifests: &Manifests) -> BTreeMap<String, Value> {
    let object = |manifest: &shipway_core::Manifest| {
        let mut object =
            shipway_yaml::parse("m", &manifest.text).unwrap()[0].to_json(Rules::Manifest).unwrap();
        without_own(&mut object);
        (manifest.object.to_string(), object)
    };
    manifests.objects.iter().map(object).collect()
}

fn without_own(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_own),
        Value::Object(map) => {
            if let Some(labels) = map.get_mut("labels").and_then(Value::as_object_mut) {
                labels.retain(|name, _| !name.starts_with("app.kubernetes.io/"));
                if labels.is_empty() {
                    map.remove("labels");
                }
            }
            map.values_mut().for_each(without_own);
        }
        _ => {}
    }
}

pub(crate) fn names(manifests: &Manifests) -> Vec<String> {
    manifests.objects.iter().map(|manifest| manifest.object.name.clone()).collect()
}

/// Returns a config map as a person writes it.
pub(crate) fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name} # here\ndata:\n  colour: blue\n")
}

pub(crate) fn report(error: &Error) -> String {
    error.report().to_string()
}

pub(crate) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
