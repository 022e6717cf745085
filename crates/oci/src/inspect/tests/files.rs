use super::*;

#[tokio::test]
async fn files_are_where_a_runtime_would_see_them() {
    let base: &[Raw<'_>] = &[
        ("./", FOLDER, "", 0o755),
        ("usr/bin/", FOLDER, "", 0o755),
        ("usr/bin/dash", FILE, "", 0o755),
        ("usr/bin/sh", LINK, "dash", 0o777),
        ("bin", LINK, "usr/bin", 0o777),
        ("abs", LINK, "/bin/sh", 0o777),
        ("up", LINK, "../../../usr/../bin/sh", 0o777),
        ("loop", LINK, "loop", 0o777),
        ("ping", LINK, "pong", 0o777),
        ("pong", LINK, "ping", 0o777),
        ("dangling", LINK, "nowhere", 0o777),
        ("hard", HARD, "usr/bin/dash", 0o755),
        ("/slash//file", FILE, "", 0o600),
        ("pipe", EntryType::Fifo, "", 0o644),
        ("no-folder/", FILE, "", 0o700),
    ];
    let file = |path: &str, mode| Some((path.to_owned(), FileKind::File, mode));
    let folder = |path: &str, mode| Some((path.to_owned(), FileKind::Folder, mode));
    // The layers above the base, and where paths lead then.
    let table: &[(&[&[Raw<'_>]], &[Query<'_>])] = &[
        (
            &[],
            &[
                ("/", folder("/", 0o755)),
                ("usr/bin/dash", file("/usr/bin/dash", 0o755)),
                ("/bin/sh", file("/usr/bin/dash", 0o755)),
                ("/abs", file("/usr/bin/dash", 0o755)),
                ("/up", file("/usr/bin/dash", 0o755)),
                ("/../../bin/./sh", file("/usr/bin/dash", 0o755)),
                ("/hard", file("/hard", 0o755)),
                ("/slash/file", file("/slash/file", 0o600)),
                ("/slash", folder("/slash", 0o755)),
                ("/no-folder", file("/no-folder", 0o700)),
                ("/pipe", Some(("/pipe".to_owned(), FileKind::Special, 0o644))),
                ("/dangling", None),
                ("/hard/below", None),
                ("/hard/", None),
                ("/hard/../hard", None),
                ("/nowhere/../hard", None),
                ("/usr/bi", None),
            ],
        ),
        // A path of a layer goes through its own links, and not through those below: on overlayfs a layer
        // is unpacked by itself, and its folder hides the link.
        (
            &[&[("bin/app", FILE, "", 0o750)]],
            &[("/bin/app", file("/bin/app", 0o750)), ("/usr/bin/app", None), ("/bin/sh", None)],
        ),
        (
            &[&[("bin", LINK, "usr/bin", 0o777), ("bin/app", FILE, "", 0o750)]],
            &[
                ("/bin/app", file("/usr/bin/app", 0o750)),
                ("/usr/bin/app", file("/usr/bin/app", 0o750)),
                ("/bin/sh", file("/usr/bin/dash", 0o755)),
            ],
        ),
        (&[&[("hard/below", FILE, "", 0o1)]], &[("/hard/below", file("/hard/below", 0o1))]),
        // A folder in a link's place is another folder.
        (
            &[&[("bin/", FOLDER, "", 0o700), ("bin/app", FILE, "", 0o750)]],
            &[
                ("/bin", folder("/bin", 0o700)),
                ("/bin/app", file("/bin/app", 0o750)),
                ("/bin/sh", None),
                ("/usr/bin/sh", file("/usr/bin/dash", 0o755)),
            ],
        ),
        // Whiteouts: of a file, of a folder with what is in it, and of what the layer's own link leads to.
        (&[&[("usr/bin/.wh.dash", FILE, "", 0)]], &[("/bin/sh", None), ("/hard", file("/hard", 0o755))]),
        (&[&[(".wh.usr", FILE, "", 0)]], &[("/usr", None), ("/usr/bin/sh", None), ("/bin", None)]),
        (
            &[&[("bin/.wh.sh", FILE, "", 0)]],
            &[
                ("/usr/bin/sh", file("/usr/bin/dash", 0o755)),
                ("/bin", folder("/bin", 0o755)),
                ("/bin/sh", None),
            ],
        ),
        (
            &[&[("bin", LINK, "usr/bin", 0o777), ("bin/.wh.sh", FILE, "", 0)]],
            &[("/usr/bin/sh", None), ("/bin/dash", file("/usr/bin/dash", 0o755))],
        ),
        (&[&[("usr/.wh.bi", FILE, "", 0)]], &[("/usr/bin/dash", file("/usr/bin/dash", 0o755))]),
        // They hide what is below, not what is beside them, before or after.
        (
            &[&[
                ("usr/bin/new", FILE, "", 0o1),
                ("usr/bin/.wh..wh..opq", FILE, "", 0),
                ("usr/bin/newer", FILE, "", 0o2),
            ]],
            &[
                ("/bin/new", file("/usr/bin/new", 0o1)),
                ("/bin/newer", file("/usr/bin/newer", 0o2)),
                ("/bin/dash", None),
                ("/bin", folder("/usr/bin", 0o755)),
            ],
        ),
        (
            &[&[("usr/bin/new", FILE, "", 0o1), (".wh.usr", FILE, "", 0)]],
            &[("/usr/bin/new", file("/usr/bin/new", 0o1)), ("/usr/bin/dash", None)],
        ),
        (&[&[("hard", FILE, "", 0o1), (".wh.hard", FILE, "", 0)]], &[("/hard", file("/hard", 0o1))]),
        (
            &[&[(".wh..wh..opq", FILE, "", 0), ("only", FILE, "", 0o1)]],
            &[("/only", file("/only", 0o1)), ("/usr", None), ("/", folder("/", 0o755))],
        ),
        // The next layer's hide those of the one before.
        (&[&[("new", FILE, "", 0o1)], &[(".wh.new", FILE, "", 0)]], &[("/new", None)]),
        (&[&[(".wh.hard", FILE, "", 0)], &[("hard", FILE, "", 0o1)]], &[("/hard", file("/hard", 0o1))]),
        // Notes of AUFS are no files and hide nothing.
        (
            &[&[(".wh..wh.plnk/", FOLDER, "", 0), (".wh..wh.aufs", FILE, "", 0)]],
            &[("/hard", file("/hard", 0o755))],
        ),
        // A file in a folder's place takes what is in it along, and the other way round.
        (&[&[("usr", FILE, "", 0o1)]], &[("/usr", file("/usr", 0o1)), ("/usr/bin/dash", None)]),
        (
            &[&[("usr", FILE, "", 0o1)], &[("usr/", FOLDER, "", 0o2)]],
            &[("/usr", folder("/usr", 0o2)), ("/usr/bin", None)],
        ),
        // A folder again keeps what is in it.
        (
            &[&[("usr/bin/", FOLDER, "", 0o711)]],
            &[("/usr/bin", folder("/usr/bin", 0o711)), ("/bin/sh", file("/usr/bin/dash", 0o755))],
        ),
        // A hard link to a layer below, and to a link, which it is then too.
        (&[&[("alias", HARD, "/usr/bin/sh", 0)]], &[("/alias", None)]),
        (&[&[("usr/bin/alias", HARD, "bin/sh", 0)]], &[("/bin/alias", file("/usr/bin/dash", 0o755))]),
        // A path through a link in a layer stays below the root.
        (
            &[&[("out", LINK, "../../..", 0), ("out/etc/passwd", FILE, "", 0o1)]],
            &[("/etc/passwd", file("/etc/passwd", 0o1))],
        ),
    ];
    let bed = Bed::new();
    for (above, queries) in table {
        let layers: Vec<Vec<u8>> = std::iter::once(&base).chain(*above).map(|entries| tar(entries)).collect();
        let files = bed
            .files(&layers, Limits::default())
            .await
            .unwrap_or_else(|error| panic!("{above:?}: {error:?}"));
        for (path, expected) in *queries {
            let found = files.find(path).unwrap().map(|file| (file.path, file.kind, file.mode));
            assert_eq!(found, *expected, "{path} in {above:?}");
        }
        for path in ["/loop", "/ping", "/ping/x"] {
            match files.find(path) {
                Err(error) => assert_eq!(error.kind(), ErrorKind::BadOutput),
                // The layer took it away.
                Ok(found) => assert!(found.is_none() && files.find("/abs").unwrap().is_none(), "{path}"),
            }
        }
    }
}

#[tokio::test]
async fn the_program_is_looked_up_as_a_runtime_does() {
    let layer = tar(&[
        ("usr/bin/tool", FILE, "", 0o755),
        ("usr/local/bin/tool", FILE, "", 0o644),
        ("bin/tool", FILE, "", 0o755),
        ("app/run", FILE, "", 0o100),
        ("app/data", FILE, "", 0o644),
        ("app/folder/", FOLDER, "", 0o755),
        ("app/link", LINK, "run", 0o777),
        ("app/loop", LINK, "loop", 0o777),
    ]);
    let bed = Bed::new();
    let files = bed.files(&[layer], Limits::default()).await.unwrap();
    for (program, path, expected) in [
        ("/app/run", None, Ok("/app/run")),
        ("./run", None, Ok("/app/run")),
        ("./link", None, Ok("/app/run")),
        ("folder/../run", None, Ok("/app/run")),
        ("tool", None, Ok("/usr/bin/tool")),
        ("tool", Some("/bin:/usr/bin"), Ok("/bin/tool")),
        ("run", None, Err("not on the image's `PATH`")),
        ("run", Some("/app"), Ok("/app/run")),
        ("run", Some(".::app"), Err("not on the image's `PATH`")),
        ("folder", Some("/app"), Err("not on the image's `PATH`")),
        ("", Some("/app"), Err("not on the image's `PATH`")),
        ("/app/data", None, Err("`/app/data` is not executable")),
        ("./folder", None, Err("`/app/folder` is not executable")),
        ("./loop", None, Err("not in the image")),
        ("/run", None, Err("not in the image")),
    ] {
        let mut config = ImageConfig::new(platform("linux/amd64"));
        config.working_dir = "/app".to_owned();
        config.cmd = vec![program.to_owned(), "argument".to_owned()];
        if let Some(path) = path {
            config.set_env("PATH", path);
        }
        let found = resolve_program(&files, &config);
        match (&found, expected) {
            (Program::Runs(file), Ok(expected)) => assert_eq!(file.path, expected),
            (_, Err(expected)) => assert!(found.problem().unwrap().contains(expected), "{found:?}"),
            _ => panic!("{program}: {found:?}"),
        }
        config.entrypoint = vec!["/app/run".to_owned()];
        assert_eq!(resolve_program(&files, &config).problem(), None, "the entrypoint comes first");
    }
    let none = resolve_program(&files, &ImageConfig::new(platform("linux/amd64")));
    assert_eq!(none, Program::Unset);
}

#[tokio::test]
async fn a_link_is_told_where_it_is() {
    let entries = [
        ("usr/bin/", FOLDER, "", 0o755),
        ("usr/bin/sh", LINK, "dash", 0o777),
        ("bin", LINK, "usr/bin", 0o777),
        ("file", FILE, "", 0o644),
    ];
    let files = Bed::new().files(&[tar(&entries)], Limits::default()).await.unwrap();
    for (path, text) in [
        ("/bin", Some("usr/bin")),
        ("usr/bin/sh", Some("dash")),
        ("bin/sh", None),
        ("usr/bin", None),
        ("file", None),
        ("", None),
    ] {
        assert_eq!(files.link(path), text, "{path}");
    }
}

#[tokio::test]
async fn a_folder_of_an_old_tar_ends_with_a_slash() {
    let mut old = block("old/", FILE, "", 0o700, 0);
    old[156] = 0;
    let mut header = Header::from_byte_slice(&old).clone();
    header.set_cksum();
    let layer = [header.as_bytes().to_vec(), tar(&[("old/file", FILE, "", 0)])].concat();
    let files = Bed::new().files(&[layer], Limits::default()).await.unwrap();
    assert_eq!(files.find("old").unwrap().unwrap().kind, FileKind::Folder);
    assert!(files.find("old/file").unwrap().is_some());
}

#[tokio::test]
async fn the_last_name_of_a_file_decides_its_mode() {
    let low = [("first", FILE, "", 0o644), ("second", HARD, "first", 0o4711)];
    let high = [("third", HARD, "second", 0o600)];
    let bed = Bed::new();
    for (layers, mode) in [(vec![tar(&low)], 0o4711), (vec![tar(&low), tar(&high)], 0o600)] {
        let files = bed.files(&layers, Limits::default()).await.unwrap();
        let modes = ["first", "second"].map(|path| files.find(path).unwrap().unwrap().mode);
        assert_eq!(modes, [mode, mode]);
    }
}
