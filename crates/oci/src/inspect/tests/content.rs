use std::sync::Mutex;

use super::*;

fn with_content(path: &str, content: &str) -> Vec<u8> {
    [block(path, FILE, "", 0o644, content.len() as u64), padded(content.as_bytes())].concat()
}

fn whole(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// Returns the contents of the files at these paths, in the order in which they came.
async fn read(bed: &Bed, layers: &[Descriptor], paths: &[&str], limit: u64) -> Result<Vec<(String, String)>> {
    let files = ImageFiles::read(&bed.layout, layers, Limits::default()).await?;
    let found: Vec<FoundFile> = paths.iter().map(|path| files.find(path).unwrap().unwrap()).collect();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    ImageFiles::contents(&bed.layout, layers, found, limit, move |file, content| {
        list.lock().unwrap().push((file.path.clone(), String::from_utf8_lossy(content).into_owned()));
        Ok(())
    })
    .await?;
    let seen = seen.lock().unwrap().clone();
    Ok(seen)
}

#[tokio::test]
async fn contents_are_of_the_layers_that_the_files_are_of() {
    let bed = Bed::new();
    let low = whole(&[
        with_content("a", "the first a"),
        with_content("b", "b"),
        block("link", LINK, "b", 0o777, 0),
        with_content("empty", ""),
        with_content("gone", "gone"),
    ]);
    let high = whole(&[
        block("alias", HARD, "b", 0, 0),
        with_content("a", "an a before"),
        with_content("a", &"the last a ".repeat(1000)),
        block(".wh.gone", FILE, "", 0, 0),
    ]);
    let mut layers = Vec::new();
    for layer in [low, high] {
        layers.push(bed.blob(media::LAYER_GZIP, gzip(&layer)).await);
    }
    let read_all = async |paths: &[&str]| read(&bed, &layers, paths, 1 << 20).await.unwrap();
    let pair = |path: &str, content: &str| (path.to_owned(), content.to_owned());
    assert_eq!(
        read_all(&["/a", "link", "/alias", "empty"]).await,
        [pair("/b", "b"), pair("/alias", "b"), pair("/empty", ""), pair("/a", &"the last a ".repeat(1000)),]
    );
    assert_eq!(read_all(&[]).await, []);
    let error = read(&bed, &layers, &["a"], 10_999).await.unwrap_err();
    assert_eq!(error.to_string(), "`/a` has more than 10999 bytes");
    let error = read(&bed, &layers, &["/"], 1).await.unwrap_err();
    assert_eq!(error.to_string(), "`/` is no regular file");

    let other = whole(&[with_content("x", "other"), with_content("y", "another")]);
    let other = bed.blob(media::LAYER_GZIP, gzip(&other)).await;
    let files = ImageFiles::read(&bed.layout, &layers, Limits::default()).await.unwrap();
    let found = files.find("/b").unwrap();
    let error = ImageFiles::contents(&bed.layout, &[other], found, 9, |_, _| Ok(())).await.unwrap_err();
    assert_eq!(error.to_string(), "a layer is not what it was when it was read first");
    let found = files.find("/link").unwrap().into_iter().chain(files.entry("/empty").unwrap());
    let error = ImageFiles::contents(&bed.layout, &layers[..0], found, 9, |_, _| Ok(())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn an_entry_is_what_is_at_the_path_itself() {
    let entries = [
        ("etc/", FOLDER, "", 0o755),
        ("etc/mtab", LINK, "../proc/mounts", 0o123),
        ("etc/passwd", FILE, "", 0o644),
        ("lib", LINK, "etc", 0o777),
        ("etc-not-below", FILE, "", 0o644),
        ("etc/a/b", FILE, "", 0o644),
        ("loop", LINK, "loop", 0o777),
    ];
    let files = Bed::new().files(&[tar(&entries)], Limits::default()).await.unwrap();
    for (path, expected) in [
        ("/etc/mtab", Some(("/etc/mtab", FileKind::Link, 0o777))),
        ("/lib", Some(("/lib", FileKind::Link, 0o777))),
        ("/lib/", Some(("/etc", FileKind::Folder, 0o755))),
        ("/lib/passwd", Some(("/etc/passwd", FileKind::File, 0o644))),
        ("/loop", Some(("/loop", FileKind::Link, 0o777))),
        ("/etc/passwd/", None),
        ("/nothing", None),
    ] {
        let found = files.entry(path).unwrap();
        let found = found.as_ref().map(|file| (file.path.as_str(), file.kind, file.mode));
        assert_eq!(found, expected, "{path}");
    }
    assert!(files.find("/etc/mtab").unwrap().is_none());
    let names = |path: &str| files.names(path).unwrap();
    assert_eq!(names("/lib"), Some(vec!["a", "mtab", "passwd"]));
    assert_eq!(names("/"), Some(vec!["etc", "etc-not-below", "lib", "loop"]));
    assert_eq!((names("/etc/passwd"), names("/nothing"), names("/etc/a")), (None, None, Some(vec!["b"])));
}
