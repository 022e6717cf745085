//! Images judged by test files: what passes, what fails, and how it is told.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests prepare real files, and may panic"
)]

mod support;

use std::collections::BTreeSet;

use shipway_core::{ErrorKind, Platform, Store, StoreKind, Subject, Tag, Target, Tester};
use shipway_oci::{Distribution as _, ImageConfig, ImageIndex, Registry, media};
use shipway_testers::Structure;
use support::{Bench, Entry, FILE, FOLDER, HARD, LINK, layer, lines, write};
use tar::EntryType;

const ROOT: (u64, u64) = (0, 0);

fn base() -> Vec<Entry<'static>> {
    vec![
        ("etc/", FOLDER, 0o755, ROOT, ""),
        ("etc/passwd", FILE, 0o644, ROOT, "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/app:\n"),
        ("usr/bin/", FOLDER, 0o755, ROOT, ""),
        ("usr/bin/dash", FILE, 0o755, ROOT, "#!"),
        ("bin", LINK, 0o777, ROOT, "usr/bin"),
        ("usr/bin/sh", LINK, 0o755, ROOT, "dash"),
        ("usr/bin/su", FILE, 0o4755, ROOT, "su"),
        ("tmp/", FOLDER, 0o1777, ROOT, ""),
        ("app/", FOLDER, 0o750, (1000, 1001), ""),
        ("app/run", FILE, 0o750, (1000, 1001), "\u{7f}ELF"),
        ("app/secret", FILE, 0o600, (1000, 1001), "hunter2"),
        ("dev/null", EntryType::Char, 0o666, ROOT, ""),
        ("dev/disk", EntryType::Block, 0o600, ROOT, ""),
        ("run/pipe", EntryType::Fifo, 0o1600, ROOT, ""),
        ("usr/share/doc/dash/", FOLDER, 0o755, ROOT, ""),
        ("usr/share/doc/dash/copyright", FILE, 0o644, ROOT, "License: BSD-3-Clause"),
        ("usr/share/doc/libgnutls30/", FOLDER, 0o755, ROOT, ""),
        ("usr/share/doc/evil/", FOLDER, 0o755, ROOT, ""),
        ("usr/share/doc/evil/copyright", FILE, 0o644, ROOT, "License: agpl-3"),
        ("usr/share/doc/bare/", FOLDER, 0o755, ROOT, ""),
        ("usr/share/doc/alias", LINK, 0o777, ROOT, "dash"),
    ]
}

fn upper() -> Vec<Entry<'static>> {
    vec![
        ("app/.wh.secret", FILE, 0, ROOT, ""),
        ("app/alias", HARD, 0o750, (1000, 1001), "app/run"),
        ("etc/passwd", FILE, 0o644, ROOT, "root:x:0:0:root:/root:/bin/sh\n"),
    ]
}

fn settings(config: &mut ImageConfig) {
    config.env = ["PATH=/usr/bin", "HOME=/app", "EMPTY=", "VERSION=1.25.3"].map(str::to_owned).to_vec();
    config.entrypoint = vec!["/app/run".to_owned()];
    config.cmd = vec!["serve".to_owned(), "--now".to_owned()];
    config.working_dir = "/app".to_owned();
    config.user = "app".to_owned();
    config.labels.insert("built".to_owned(), "2026-11-21".to_owned());
    config.exposed_ports.insert("8080/tcp".to_owned());
    config.volumes.insert("/data".to_owned());
}

const GOOD: &str = r#"
schemaVersion: 2.0.0
globalEnvVars:
  - {key: APP, value: "$HOME/run"}
fileExistenceTests:
  - {name: root, path: /, uid: 0, gid: 0, permissions: drwxr-xr-x}
  - {name: program, path: $APP, permissions: -rwxr-x---, uid: 1000, gid: 1001, isExecutableBy: group}
  - {name: hard link, path: /app/alias, permissions: -rwxr-x---, uid: 1000}
  - {name: usr-merge, path: /bin, permissions: Lrwxrwxrwx, shouldExist: yes}
  - {name: through a link, path: /bin/dash, permissions: -rwxr-xr-x, isExecutableBy: any}
  - {name: a link itself, path: /bin/sh, permissions: Lrwxrwxrwx, uid: -1}
  - {name: setuid, path: /usr/bin/su, permissions: urwxr-xr-x}
  - {name: sticky, path: /tmp, permissions: dtrwxrwxrwx, isExecutableBy: other}
  - {name: device, path: /dev/null, permissions: Dcrw-rw-rw-}
  - {name: disk, path: /dev/disk, permissions: Drw-------}
  - {name: pipe, path: /run/pipe, permissions: ptrw-------}
  - {name: whiteout, path: /app/secret, shouldExist: false}
  - {name: never there, path: /no/such, shouldExist: no}
fileContentTests:
  - name: passwd
    path: /etc/passwd
    expectedContents: ['^root:.*', '(?m)/bin/\Qsh\E$']
    excludedContents: [app, '\d{4}']
  - {name: through links, path: /bin/sh, expectedContents: ['^#!$']}
  - {name: hard link, path: /app/alias, expectedContents: ['ELF']}
licenseTests:
  - debian: false
    files: [/usr/share/doc/alias/copyright]
metadataTest:
  envVars:
    - {key: PATH, value: /usr/bin}
    - {key: EMPTY, value: ''}
    - {key: VERSION, value: '^1\.\d+', isRegex: true}
  unboundEnvVars: [{key: APP}]
  labels: [{key: built, value: '^\d{4}-', isRegex: on}]
  exposedPorts: [8080]
  unexposedPorts: ["80"]
  volumes: [/data]
  unmountedVolumes: [/root]
  entrypoint: [/app/run]
  cmd: [serve, --now]
  workdir: /app
  user: app
"#;

const BAD: &str = r#"
schemaVersion: "2.0.0"
fileExistenceTests:
  - {name: gone, path: /app/secret}
  - {name: engine, path: /etc/hosts}
  - {name: there, path: /app/run, shouldExist: false}
  - {name: all wrong, path: /etc/passwd, permissions: drwxrwxrwx, uid: 5, gid: 6, isExecutableBy: owner}
  - {name: twice, path: /}
  - {name: twice, path: /}
fileContentTests:
  - {name: missing, path: /nothing}
  - {name: folder, path: /etc}
  - {name: contents, path: /etc/passwd, expectedContents: [nobody], excludedContents: ['root:[^:]+:']}
licenseTests:
  - {debian: true}
metadataTest:
  envVars: [{key: NONE}, {key: HOME, value: /root}, {key: PATH, value: '^/bin', isRegex: true}]
  unboundEnvVars: [{key: VERSION}]
  labels: [{key: nobody}]
  exposedPorts: ["80"]
  unexposedPorts: ["8080"]
  volumes: [/x]
  unmountedVolumes: [/data]
  entrypoint: []
  cmd: [serve]
  workdir: /
  user: root
"#;

#[tokio::test]
async fn what_is_as_expected_passes() {
    let bench = Bench::new();
    bench.file("tests/good.yaml", GOOD);
    let image = bench.image(&[layer(&base()), layer(&upper())], settings).await;
    let report = bench.test(&Structure::new(["tests/*.yaml"]), image).await.unwrap();
    insta::assert_snapshot!(lines(&report), @"
    ok   tests/good.yaml: File Content Test: passwd
    ok   tests/good.yaml: File Content Test: through links
    ok   tests/good.yaml: File Content Test: hard link
    ok   tests/good.yaml: File Existence Test: root
    ok   tests/good.yaml: File Existence Test: program
    ok   tests/good.yaml: File Existence Test: hard link
    ok   tests/good.yaml: File Existence Test: usr-merge
    ok   tests/good.yaml: File Existence Test: through a link
    ok   tests/good.yaml: File Existence Test: a link itself
    ok   tests/good.yaml: File Existence Test: setuid
    ok   tests/good.yaml: File Existence Test: sticky
    ok   tests/good.yaml: File Existence Test: device
    ok   tests/good.yaml: File Existence Test: disk
    ok   tests/good.yaml: File Existence Test: pipe
    ok   tests/good.yaml: File Existence Test: whiteout
    ok   tests/good.yaml: File Existence Test: never there
    ok   tests/good.yaml: License Test
    ok   tests/good.yaml: Metadata Test
    ");
}

#[tokio::test]
async fn what_is_not_is_told() {
    let bench = Bench::new();
    bench.file("bad.yml", BAD);
    let image = bench.image(&[layer(&base()), layer(&upper())], settings).await;
    let report = bench.test(&Structure::new(["bad.yml"]), image).await.unwrap();
    insta::assert_snapshot!(lines(&report), @r#"
    FAIL bad.yml: File Content Test: missing
           `/nothing` is not there
    FAIL bad.yml: File Content Test: folder
           `/etc` is a folder
    FAIL bad.yml: File Content Test: contents
           `nobody` is not in `/etc/passwd`
           `root:[^:]+:` is in `/etc/passwd`
    FAIL bad.yml: File Existence Test: gone
           `/app/secret` is not there
    FAIL bad.yml: File Existence Test: engine
           `/etc/hosts` is not in the image's layers; a container engine adds it to each container
    FAIL bad.yml: File Existence Test: there
           `/app/run` is there
    FAIL bad.yml: File Existence Test: all wrong
           `/etc/passwd` has the permissions `-rw-r--r--`, not `drwxrwxrwx`
           `/etc/passwd` is not executable by the owner: its permissions are `-rw-r--r--`
           `/etc/passwd` is of the user 0, not 5
           `/etc/passwd` is of the group 0, not 6
    ok   bad.yml: File Existence Test: twice
    ok   bad.yml: File Existence Test: twice (2)
    FAIL bad.yml: License Test
           `/usr/share/doc/bare/copyright` is not there
           `/usr/share/doc/evil/copyright` has a licence that is not allowed: `AGPL`
    FAIL bad.yml: Metadata Test
           the variable `NONE` is not set
           the variable `HOME` is `/app`, not `/root`
           the variable `PATH` is `/usr/bin`, which `^/bin` does not match
           the variable `VERSION` is set, to `1.25.3`
           the label `nobody` is not set
           the entrypoint is ["/app/run"], not []
           the command is ["serve", "--now"], not ["serve"]
           the working folder is `/app`, not `/`
           the user is `app`, not `root`
           there is no port `80`
           there is a port `8080`
           there is no volume `/x`
           there is a volume `/data`
    "#);
}

#[tokio::test]
async fn an_image_is_judged_alike_in_every_store() {
    let mut bench = Bench::new();
    bench.world = bench.world.scratch(bench.folder.path().join("scratch"));
    std::fs::create_dir(bench.folder.path().join("scratch")).unwrap();
    bench.file("bad.yml", BAD);
    let image = bench.image(&[layer(&base()), layer(&upper())], settings).await;
    let tester = Structure::new(["bad.yml"]);
    let here = bench.test(&tester, image.clone()).await.unwrap();
    let registry =
        Registry::start(bench.folder.path().join("registry"), std::sync::Arc::new(shipway_core::HostDisk))
            .await
            .unwrap();
    let cx = bench.context();
    let target = Target::new(Store::Registry, format!("{}/web", registry.host()), Tag::parse("v1").unwrap());
    let there = cx.images().copy(&cx, &image, &target).await.unwrap();
    assert_eq!(bench.test(&tester, there).await.unwrap(), here);
    let left = std::fs::read_dir(bench.folder.path().join("scratch")).unwrap().count();
    assert_eq!(left, 0, "the copy is removed");
    let reads = BTreeSet::from([StoreKind::Registry, StoreKind::Daemon, StoreKind::Layout]);
    assert_eq!(tester.capabilities().reads, reads);
}

#[tokio::test]
async fn of_several_platforms_one_is_looked_at() {
    let bench = Bench::new();
    bench.file("x.yaml", "schemaVersion: 2.0.0\nfileExistenceTests: [{name: only here, path: /here}]");
    let layout = bench.layout();
    let here = Platform::linux_here();
    let other = Platform::new("linux", "riscv64");
    let with = layer(&[("here", FILE, 0o644, ROOT, "")]);
    let one = write(&layout, &[with], &here, |_| {}).await;
    let two = write(&layout, &[layer(&[])], &other, |_| {}).await;
    let index = ImageIndex::new(vec![two, one]).to_json();
    let digest = layout.write_manifest(media::INDEX, index, None).await.unwrap();
    let image = shipway_core::Image::new("web", bench.store(), "web", digest);
    let passes = async |tester: Structure| {
        bench.test(&tester, image.clone()).await.map(|report| report.failed().count() == 0)
    };
    assert!(passes(Structure::new(["x.yaml"])).await.unwrap());
    assert!(passes(Structure::new(["x.yaml"]).platform(here)).await.unwrap());
    assert!(!passes(Structure::new(["x.yaml"]).platform(other)).await.unwrap());
    let error =
        passes(Structure::new(["x.yaml"]).platform(Platform::new("linux", "s390x"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn files_are_named_or_matched() {
    let bench = Bench::new();
    let one = |name: &str| {
        format!("schemaVersion: 2.0.0\nfileExistenceTests:\n- name: {name}\n  path: /\n  shouldExist: true\n")
    };
    for path in ["t/b.yaml", "t/a.yaml", "t/deep/c.yml", "t/deep/more/d.yaml", "other.yaml"] {
        bench.file(path, &one(path));
    }
    bench.file("t/e.json", r#"{"schemaVersion": "2.0.0", "metadataTest": {"cmd": []}}"#);
    bench.file("t/notes.txt", "not a test");
    let image = bench.image(&[layer(&[])], |_| {}).await;
    let names = async |files: &[&str]| {
        let report = bench.test(&Structure::new(files.iter().copied()), image.clone()).await?;
        Ok::<_, shipway_core::Error>(
            report.cases.into_iter().map(|case| case.name).collect::<Vec<_>>().join("; "),
        )
    };
    let absolute = bench.folder.path().join("sources/other.yaml").to_string_lossy().into_owned();
    for (files, expected) in [
        (
            &["t/*.yaml"][..],
            "t/a.yaml: File Existence Test: t/a.yaml; t/b.yaml: File Existence Test: t/b.yaml",
        ),
        (&["t/*.json", "t/?.json"], "t/e.json: Metadata Test"),
        (
            &["t/dee*"],
            "t/deep/c.yml: File Existence Test: t/deep/c.yml; t/deep/more/d.yaml: File Existence Test: t/deep/more/d.yaml",
        ),
        (
            &["**/d.yaml", "./t/deep/c.yml"],
            "./t/deep/c.yml: File Existence Test: t/deep/c.yml; t/deep/more/d.yaml: File Existence Test: t/deep/more/d.yaml",
        ),
        (&[&absolute], &format!("{absolute}: File Existence Test: other.yaml")),
    ] {
        assert_eq!(names(files).await.unwrap(), expected, "{files:?}");
    }
    for (file, kind, text) in [
        ("nowhere/*.yaml", ErrorKind::NotFound, "no test file matches `nowhere/*.yaml`"),
        ("t/nothing.yaml", ErrorKind::NotFound, "cannot open"),
        ("t/*.txt", ErrorKind::Config, "neither YAML nor JSON"),
        ("t", ErrorKind::Config, "is not a regular file"),
    ] {
        let error = names(&[file]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.to_string().contains(text), "{error:?}");
    }
}

#[tokio::test]
async fn its_files_are_its_inputs() {
    let mut bench = Bench::new();
    bench.world = bench.world.env([("TOKEN".to_owned(), "1".to_owned())]);
    bench.file(
        "t/a.yaml",
        "schemaVersion: 2.0.0\ncontainerRunOptions: {envFile: t/variables, envVars: [TOKEN, NONE]}",
    );
    let inputs = Structure::new(["t/*.yaml", "x.yaml"]).inputs(&bench.context()).await.unwrap();
    let files: Vec<String> = inputs.files.iter().map(|file| file.display().to_string()).collect();
    assert_eq!(files, ["t/variables", "x.yaml"]);
    let tree = inputs.trees.first().unwrap();
    assert_eq!(
        (tree.root.to_str(), &tree.ignore[..]),
        (Some("t"), &["**".to_owned(), "!*.yaml".to_owned()][..])
    );
    assert_eq!(inputs.facts["variable TOKEN"], "= 1");
    assert_eq!(inputs.facts["variable NONE"], "absent");
    bench.file("t/b.yaml", "schemaVersion: [");
    let error = Structure::new(["t/*.yaml"]).inputs(&bench.context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn what_is_written_wrong_is_told_with_its_place() {
    let bench = Bench::new();
    let image = bench.image(&[layer(&[])], |_| {}).await;
    let mut told = String::new();
    for (name, text) in [
        ("no-version.yaml", "fileContentTests: []"),
        ("old.yaml", "schemaVersion: 1.0.0\ncommandTests:\n- {name: a, command: [b]}"),
        ("new.json", "{\"schemaVersion\": \"3\"}"),
        ("key.yaml", "schemaVersion: 2.0.0\nfileExistenceTests:\n- name: a\n  path: /\n  shouldexist: true"),
        ("key.json", "{\n\"schemaVersion\": \"2.0.0\",\n\"fileExistanceTests\": []}"),
        ("far.yaml", "schemaVersion: 2.0.0\nsomething: 1"),
        ("name.yaml", "schemaVersion: 2.0.0\nfileContentTests:\n- path: /a"),
        ("empty.yaml", "schemaVersion: 2.0.0\nfileContentTests:\n- name: a\n  path: ''"),
        (
            "regex.yaml",
            "schemaVersion: 2.0.0\nfileContentTests:\n- name: a\n  path: /a\n  expectedContents:\n  - fine\n  - a(b",
        ),
        (
            "metadata.yaml",
            "schemaVersion: 2.0.0\nmetadataTest:\n  labels:\n  - {key: a, value: '*', isRegex: true}",
        ),
        (
            "by.yaml",
            "schemaVersion: 2.0.0\nfileExistenceTests:\n- {name: a, path: /, isExecutableBy: owners}",
        ),
        (
            "truth.yaml",
            "schemaVersion: 2.0.0\nfileExistenceTests:\n- {name: a, path: /, shouldExist: perhaps}",
        ),
        ("type.yaml", "schemaVersion: 2.0.0\nfileExistenceTests: {}"),
        ("twice.yaml", "schemaVersion: 2.0.0\nschemaVersion: 2.0.0"),
        ("broken.yaml", "schemaVersion: 2.0.0\n  - ["),
        ("user.yaml", "schemaVersion: 2.0.0\ncontainerRunOptions:\n  privileged: false\n  user: root"),
        ("privileged.yaml", "schemaVersion: 2.0.0\ncontainerRunOptions: {privileged: true}"),
        ("cap.yaml", "schemaVersion: 2.0.0\ncontainerRunOptions:\n  capabilities:\n  - NET_ADMIN"),
        ("mount.yaml", "schemaVersion: 2.0.0\ncontainerRunOptions:\n  bindMounts: ['data:/data']"),
        ("setup.yaml", "schemaVersion: 2.0.0\ncommandTests:\n- name: a\n  command: b\n  setup: [[]]"),
        ("nothing.yaml", "schemaVersion: 2.0.0\nmetadataTest: {}\n"),
        ("command.yaml", "schemaVersion: 2.0.0\ncommandTests: [{name: a, command: b}]\n"),
        ("deep.yaml", &format!("schemaVersion: 2.0.0\nx: {}", "[".repeat(100_000))),
        (
            "bomb.yaml",
            &format!(
                "schemaVersion: 2.0.0\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [{}]",
                "*f,".repeat(50)
            ),
        ),
        ("long.yaml", &format!("schemaVersion: 2.0.0\n#{}", "x".repeat(1 << 20))),
    ] {
        bench.file(name, text);
        let error = bench.test(&Structure::new([name]), image.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        told.extend([error.report().to_string(), "\n".to_owned()]);
    }
    insta::assert_snapshot!(told, @"
    no-version.yaml: the test file names no `schemaVersion`
      hint: write `schemaVersion: 2.0.0`, which is the one that is read
    old.yaml: the test file is of schema `1.0.0`
      hint: write `schemaVersion: 2.0.0`, and each `command: [program, …]` as `command: program` and `args`
    new.json: the test file is of schema `3`
      hint: write `schemaVersion: 2.0.0`, which is the one that is read
    key.yaml:5:3: the key `shouldexist` is unknown
      hint: did you mean `shouldExist`?
    key.json:3:20: the key `fileExistanceTests` is unknown
      hint: did you mean `fileExistenceTests`?
    far.yaml:2:1: the key `something` is unknown
      hint: known here are `schemaVersion`, `globalEnvVars`, `commandTests`, `fileContentTests`, `fileExistenceTests`, `licenseTests`, `metadataTest`, `containerRunOptions`
    name.yaml:3:3: the key `name` is missing
    empty.yaml:4:9: it must not be empty
    regex.yaml:7:5: `a(b` is not a regular expression of Go: a `)` is missing
    metadata.yaml:4:5: `*` is not a regular expression of Go: nothing is before `*`
    by.yaml:3:38: `owners` is none of `owner`, `group`, `other`, `any`
    truth.yaml:3:35: `perhaps` is neither `true` nor `false`
    type.yaml:2:21: the test file cannot be read: expected sequence start
    twice.yaml:2:1: the key `schemaVersion` is there twice
    broken.yaml: the test file is of schema `2.0.0 - [`
      hint: write `schemaVersion: 2.0.0`, which is the one that is read
    user.yaml:4:9: a runner cannot be asked for `user`
    privileged.yaml:2:35: a runner cannot be asked for `privileged`
    cap.yaml:4:5: a runner cannot be asked for `capabilities`
    mount.yaml:3:16: `data:/data` names a path that is not absolute
    setup.yaml:5:11: a command has no program
    there is no test in `nothing.yaml`
      hint: write at least one
    command.yaml: `commandTests` need a runner, and the tester has none
      hint: add one that runs commands in images, such as `runner: {kind: docker}`
    deep.yaml:2:259: the test file cannot be read: recursion limit exceeded
    bomb.yaml:7:11: the test file holds more than one may
    `long.yaml` has more than 1048576 bytes
    ");
}

#[tokio::test]
async fn yaml_is_read_as_its_writers_mean_it() {
    let bench = Bench::new();
    let text = r#"
schemaVersion: 2.0.0
globalEnvVars: [{key: RELEASE, value: 1.10}, {key: NONE, value: }]
commandTests: ~
licenseTests:
containerRunOptions: {privileged: no, capabilities: [], user: ""}
fileExistenceTests:
  - &first {name: first, path: "/v$RELEASE$NONE", uid: 0, isExecutableBy: ""}
  - {<<: *first, name: merged, permissions: drwxr-xr-x}
  - {<<: *first, name: 0123, path: /gone, shouldExist: off}
"#;
    bench.file("a.yaml", text);
    let image = bench.image(&[layer(&[("v1.10/", FOLDER, 0o755, ROOT, "")])], |_| {}).await;
    let report = bench.test(&Structure::new(["a.yaml"]), image).await.unwrap();
    insta::assert_snapshot!(lines(&report), @"
    ok   a.yaml: File Existence Test: first
    ok   a.yaml: File Existence Test: merged
    ok   a.yaml: File Existence Test: 0123
    ");
}

#[tokio::test]
async fn contents_beyond_the_limit_and_beyond_text() {
    let bench = Bench::new();
    bench.file(
        "a.yaml",
        "schemaVersion: 2.0.0\nfileContentTests:\n- {name: large, path: /large, expectedContents: [x]}\n\
         - {name: bytes, path: /bytes, expectedContents: ['^a..b$'], excludedContents: ['^a.b$']}",
    );
    let large = "x".repeat((16 << 20) + 1);
    let mut bytes = layer(&[("large", FILE, 0o644, ROOT, &large), ("bytes", FILE, 0o644, ROOT, "a@@b")]);
    let at = bytes.windows(4).position(|window| window == b"a@@b").unwrap();
    // The beginning of a character, which Go's matcher takes for two.
    bytes[at + 1..at + 3].copy_from_slice(b"\xE2\x82");
    let image = bench.image(&[bytes], |_| {}).await;
    let report = bench.test(&Structure::new(["a.yaml"]), image).await.unwrap();
    insta::assert_snapshot!(lines(&report), @"
    FAIL a.yaml: File Content Test: large
           `/large` has 16777217 bytes, and files of at most 16777216 are looked into
    ok   a.yaml: File Content Test: bytes
    ");
}

#[tokio::test]
async fn a_deployment_is_not_looked_at() {
    let bench = Bench::new();
    let manifests = shipway_core::Manifests::new(shipway_core::Release::new("shop"));
    let deployment = shipway_core::Deployment::new(manifests, "1".to_owned(), bench.context().clock().now());
    let tester = Structure::new(["x.yaml"]);
    let error = tester.test(&bench.context(), &Subject::Deployment(deployment)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
