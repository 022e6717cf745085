use super::*;

#[tokio::test]
async fn hostile_layers_are_refused() {
    let bed = Bed::new();
    let entry = |path: &str| tar(&[(path, FILE, "", 0)]);
    let mut records = Vec::new();
    records.extend(block("x", EntryType::XHeader, "", 0, 2 << 20));
    let pax = |text: &str, size: u64| {
        let mut bytes = block("x", EntryType::XHeader, "", 0, text.len() as u64);
        bytes.extend(padded(text.as_bytes()));
        bytes.extend(block("file", FILE, "", 0, size));
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    };
    let mut wrong_sum = entry("a");
    wrong_sum[0] = b'b';
    let mut hidden_end = tar(&[("a", FILE, "", 0)]);
    hidden_end.truncate(1024);
    hidden_end.extend(tar(&[("b", FILE, "", 0)]));
    let (bad, unsupported) = (ErrorKind::BadOutput, ErrorKind::Unsupported);
    for (name, layer, kind) in [
        ("parent", entry("../etc/passwd"), bad),
        ("parent inside", entry("a/../../b"), bad),
        ("whiteout of nothing", entry("a/.wh."), bad),
        ("whiteout of the folder", entry("a/.wh.."), bad),
        ("whiteout of the parent", entry("a/.wh..."), bad),
        ("hard link to the parent", tar(&[("a", HARD, "../b", 0)]), bad),
        ("hard link to nothing", tar(&[("a", HARD, "b", 0)]), bad),
        ("hard link to a folder", tar(&[("b/", FOLDER, "", 0), ("a", HARD, "b", 0)]), bad),
        ("below a file", tar(&[("a", FILE, "", 0), ("a/b", FILE, "", 0)]), bad),
        ("through a circle", tar(&[("a", LINK, "a", 0), ("a/b", FILE, "", 0)]), bad),
        ("a root that is a file", tar(&[(".", FILE, "", 0)]), bad),
        ("a root that is a link", tar(&[("/", LINK, "/etc", 0)]), bad),
        ("unknown type", tar(&[("a", EntryType::new(b'Z'), "", 0)]), unsupported),
        ("sparse", tar(&[("a", EntryType::GNUSparse, "", 0)]), unsupported),
        ("sparse by PAX", pax("22 GNU.sparse.major=1\n", 0), unsupported),
        ("large header", records, bad),
        ("broken record", pax("99 path=a\n", 0), bad),
        ("record without end", pax("9 path=aX", 0), bad),
        ("record without length", pax("path=a\n", 0), bad),
        ("number that is none", pax("11 size=-1\n", 0), bad),
        ("size beyond the end", pax("13 size=9999\n", 0), bad),
        ("size beyond all", pax("29 size=18446744073709551615\n", 0), bad),
        ("wrong sum", wrong_sum, bad),
        ("cut header", entry("a")[..100].to_vec(), bad),
        ("cut content", block("a", FILE, "", 0, 600), bad),
        ("more after the end", hidden_end, bad),
        ("no tar", vec![b'x'; 2000], bad),
    ] {
        for layers in [vec![layer.clone()], vec![tar(&[]), layer]] {
            let error = bed.files(&layers, Limits::default()).await.err().unwrap_or_else(|| panic!("{name}"));
            assert_eq!(error.kind(), kind, "{name}: {error:?}");
        }
    }
    // A zstd frame whose window has 4 GiB, and one that is none.
    for zstd in [&b"\x28\xb5\x2f\xfd\x00\xb0\x01\x00\x00"[..], &b"\x28\xb5\x2f\xfd\x00\x00"[..]] {
        let error = bed.files(&[tar(&[]), zstd.to_vec()], Limits::default()).await.unwrap_err();
        assert_eq!(error.kind(), bad, "{error:?}");
    }
    let whole = tar(&[("a", FILE, "", 0)]);
    let zstd = zstd::bulk::compress(&whole, 3).unwrap();
    for (whole, cut) in
        [(gzip(&whole), 1), (gzip(&whole), 5), (gzip(&whole), 20), (zstd.clone(), 1), (zstd, 9)]
    {
        let layer = bed.blob(media::LAYER_GZIP, whole[..whole.len() - cut].to_vec()).await;
        let error = ImageFiles::read(&bed.layout, &[layer], Limits::default()).await.unwrap_err();
        assert_eq!(error.kind(), bad, "{error:?}");
    }
}

#[tokio::test]
async fn pax_says_where_the_next_entry_begins() {
    let mut bytes = block("x", EntryType::XHeader, "", 0, 24);
    bytes.extend(padded(b"12 size=512\n12 path=/b/c"));
    // The record lacks its end, so it is refused rather than guessed.
    let bed = Bed::new();
    assert!(bed.files(&[bytes], Limits::default()).await.is_err());

    let mut bytes = block("x", EntryType::XHeader, "", 0, 24);
    bytes.extend(padded(b"12 size=512\n12 path=b/cd\n".get(..24).unwrap()));
    assert!(bed.files(&[bytes], Limits::default()).await.is_err());

    let records = b"12 size=512\n13 path=b/cd\n";
    let mut bytes = block("x", EntryType::XHeader, "", 0, records.len() as u64);
    bytes.extend(padded(records));
    bytes.extend(block("a", FILE, "", 0o1, 0));
    // To a reader that goes by the header, this content is an entry.
    bytes.extend(block("smuggled", FILE, "", 0, 0));
    bytes.extend(block("next", FILE, "", 0o2, 0));
    bytes.resize(bytes.len() + 1024, 0);
    let files = bed.files(&[bytes], Limits::default()).await.unwrap();
    let found = files.find("b/cd").unwrap().unwrap();
    assert_eq!((found.size, found.mode), (512, 1));
    assert!(files.find("smuggled").unwrap().is_none() && files.find("a").unwrap().is_none());
    assert!(files.find("next").unwrap().is_some());
}

#[tokio::test]
async fn bombs_are_stopped_at_the_limits() {
    let bed = Bed::new();
    let mut bomb = block("zeros", FILE, "", 0, 64 << 20);
    bomb.resize(bomb.len() + (64 << 20) + 1024, 0);
    let bomb = gzip(&bomb);
    assert!(bomb.len() < 1 << 20);
    let layer = bed.blob(media::LAYER_GZIP, bomb).await;
    let read = async |limit| {
        ImageFiles::read(&bed.layout, std::slice::from_ref(&layer), Limits::default().bytes(limit)).await
    };
    assert_eq!(read(10 << 20).await.unwrap_err().kind(), ErrorKind::BadOutput);
    assert_eq!(read(65 << 20).await.unwrap().find("zeros").unwrap().unwrap().size, 64 << 20);
    // The limit is for all layers together.
    let twice = [layer.clone(), layer.clone()];
    let error = ImageFiles::read(&bed.layout, &twice, Limits::default().bytes(100 << 20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadOutput);

    let many: Vec<Raw<'_>> = vec![("a", FILE, "", 0); 100];
    let limits = Limits::default().entries(150);
    assert!(bed.files(&[tar(&many)], limits).await.is_ok());
    assert_eq!(bed.files(&[tar(&many), tar(&many)], limits).await.unwrap_err().kind(), ErrorKind::BadOutput);

    let deep = "a/".repeat(300);
    let records = format!("610 path={deep}\n");
    let mut bytes = block("x", EntryType::XHeader, "", 0, records.len() as u64);
    bytes.extend(padded(records.as_bytes()));
    bytes.extend(block("file", FILE, "", 0, 0));
    bytes.resize(bytes.len() + 1024, 0);
    let error = bed.files(&[bytes], Limits::default()).await.unwrap_err();
    assert!(error.to_string().contains("256 steps"), "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a tar holds, reading it ends with an answer, and all that is found is there.
    #[test]
    fn any_layers_give_an_answer(
        layers in prop::collection::vec(
            prop::collection::vec(
                ("(\\./)?((a|b|\\.wh\\.a|\\.wh\\.\\.wh\\.\\.opq|\\.\\.)/){0,3}(a|b|c|\\.wh\\.b|\\.wh\\.\\.wh\\.\\.opq)", 0..5_u8, "(/|\\.\\./)?(a|b|c)(/(a|b))?"),
                0..12,
            ),
            1..4,
        ),
        noise in prop::collection::vec((0..4096_usize, any::<u8>()), 0..2),
    ) {
        let kinds = [FILE, FOLDER, LINK, HARD, EntryType::Fifo];
        let mut layers: Vec<Vec<u8>> = layers
            .iter()
            .map(|entries| {
                let raw: Vec<Raw<'_>> = entries
                    .iter()
                    .map(|(path, kind, link)| (path.as_str(), kinds[usize::from(*kind)], link.as_str(), 0o755))
                    .collect();
                tar(&raw)
            })
            .collect();
        for (at, byte) in noise {
            let at = at % layers[0].len();
            layers[0][at] ^= byte;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let files = runtime.block_on(Bed::new().files(&layers, Limits::default()));
        if let Ok(files) = files {
            for path in ["a", "b", "a/b", "/a/b/c", "c/../a"] {
                if let Ok(Some(found)) = files.find(path) {
                    let again = files.find(&found.path);
                    prop_assert_eq!(again.unwrap(), Some(found.clone()));
                    prop_assert!(!found.path.contains(".wh.") && !found.path.contains(".."));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_blob_is_told_as_such() {
    let bed = Bed::new();
    for layer in [gzip(&tar(&[("a", FILE, "", 0)])), tar(&[("a", FILE, "", 0)])] {
        let mut descriptor = bed.blob(media::LAYER_GZIP, layer).await;
        descriptor.size += 1;
        let error =
            ImageFiles::read(&bed.layout, &[descriptor.clone()], Limits::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadOutput);
        assert!(error.to_string().contains("ends after"), "{error:?}");
        descriptor.digest = digest_of(b"gone");
        let error = ImageFiles::read(&bed.layout, &[descriptor], Limits::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

/// A short layer whose entries each lead through 30 links of 50 steps.
#[tokio::test]
async fn links_after_links_end_early() {
    let bed = Bed::new();
    let mut entries = vec![("d/", FOLDER, "", 0)];
    let text = "./".repeat(48);
    let names: Vec<(String, String)> =
        (0..30).map(|i| (format!("l{i}"), format!("{text}l{}", i + 1))).collect();
    for (name, text) in &names {
        entries.push((name, LINK, text, 0));
    }
    entries.push(("l30", LINK, "d", 0));
    entries.extend(vec![("l0/a", FILE, "", 0); 30_000]);
    let error = bed.files(&[tar(&entries)], Limits::default()).await.unwrap_err();
    assert!(error.to_string().contains("too many links"), "{error:?}");
}
