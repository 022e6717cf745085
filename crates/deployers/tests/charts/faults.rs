//! Disks that fail or crash while a chart is published.

use std::{fs, path::Path, sync::Arc};

use shipway_core::{Cancel, Context, Disk, HostDisk, RunContext, World};
use shipway_testkit::{DiskFault, FailingDisk, RecordingDisk};

use crate::stage::Stage;

fn context(stage: &Stage, disk: impl Disk) -> Context {
    let world = World::host(stage.folder.path()).disk(disk);
    RunContext::new(world, "run").context(None, None, Cancel::new())
}

#[tokio::test]
async fn wherever_the_disk_fails_the_repository_is_the_old_or_the_new() {
    let mut failures = 0;
    for (n, fault) in (0..).flat_map(|n| [DiskFault::Full, DiskFault::Short].map(|fault| (n, fault))) {
        let stage = Stage::new(&[]);
        let first = stage.chart("web", "1.0.0").await;
        first.publish(&stage.cx, Path::new("charts")).await.unwrap();
        let before = stage.read("charts/index.yaml");
        let second = stage.chart("web", "1.1.0").await;
        let disk = FailingDisk::new(Arc::new(HostDisk), n, fault);
        let published = second.publish(&context(&stage, disk.clone()), Path::new("charts")).await;
        if !disk.failed() {
            published.unwrap();
            break;
        }
        failures += 1;
        let index = stage.read("charts/index.yaml");
        let is_new = index.contains("version: 1.1.0");
        assert!(is_new || published.is_err() && index == before, "{n} {fault:?}: {index}");
        for chart in [Some(&first), is_new.then_some(&second)].into_iter().flatten() {
            let archive = fs::read(stage.path("charts").join(chart.file_name())).unwrap();
            assert_eq!(archive, *chart.archive(), "{n} {fault:?}");
        }
        // Once the disk works again, so does it.
        second.publish(&stage.cx, Path::new("charts")).await.unwrap();
        assert!(stage.read("charts/index.yaml").contains("version: 1.1.0"));
    }
    assert!(failures > 20, "{failures}");
}

#[tokio::test]
async fn whatever_a_crash_leaves_the_index_names_whole_archives() {
    let stage = Stage::new(&[]);
    let disk = RecordingDisk::new();
    let cx = context(&stage, disk.clone());
    let charts = [stage.chart("web", "1.0.0").await, stage.chart("web", "1.1.0").await];
    for chart in &charts {
        chart.publish(&cx, Path::new("/charts")).await.unwrap();
    }
    let mut crashes = 0;
    for crash in disk.crashes(7, 8) {
        crashes += 1;
        let index = crash.disk().read(Path::new("/charts/index.yaml")).unwrap_or_default();
        let index = String::from_utf8(index).unwrap();
        for chart in charts.iter().filter(|chart| index.contains(&chart.file_name())) {
            let archive = crash.disk().read(&Path::new("/charts").join(chart.file_name()));
            assert_eq!(archive.as_deref(), Some(&**chart.archive()), "{crash}: {index}");
        }
        // Who comes after it goes on.
        let cx = context(&stage, crash.disk().clone());
        for chart in &charts {
            chart
                .publish(&cx, Path::new("/charts"))
                .await
                .unwrap_or_else(|error| panic!("{crash}: {error:?}"));
        }
    }
    assert!(crashes > 50, "{crashes}");
}
