use super::*;

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.map_err(|error: Error| error.kind()).expect_err("fails")
}

#[tokio::test]
async fn an_index_gives_the_image_for_the_platform() {
    let bed = Bed::new();
    let mut entries = Vec::new();
    for name in ["linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7", "windows/amd64"] {
        let mut entry = bed.image(&ImageConfig::new(platform(name)), Vec::new()).await;
        entry.platform = Some(platform(name));
        entries.push(entry);
    }
    let mut attestation = entries[0].clone();
    attestation.platform = Some(platform("unknown/unknown"));
    let digest_for = |i: usize| entries[i].digest.clone();
    let index = bed.index([vec![attestation.clone()], entries.clone()].concat()).await;
    let read = async |digest: &Digest, name: Option<&str>| {
        read_image(&bed.layout, digest, name.map(platform).as_ref()).await.map(|image| image.digest)
    };
    for (name, entry) in
        [("linux/amd64", 0), ("linux/arm64", 1), ("linux/arm/v6", 2), ("linux/arm", 3), ("windows/amd64", 4)]
    {
        assert_eq!(read(&index.digest, Some(name)).await.unwrap(), digest_for(entry), "{name}");
    }
    assert_eq!(kind(read(&index.digest, Some("linux/s390x")).await), ErrorKind::NotFound);
    assert_eq!(kind(read(&index.digest, Some("linux/arm/v5")).await), ErrorKind::NotFound);
    assert_eq!(read(&entries[0].digest, Some("linux/amd64")).await.unwrap(), digest_for(0));
    assert_eq!(kind(read(&entries[0].digest, Some("linux/arm64")).await), ErrorKind::NotFound);

    // An attestation is no image, so the other is the only one.
    let single = bed.index(vec![attestation, entries[4].clone()]).await;
    assert_eq!(read(&single.digest, None).await.unwrap(), digest_for(4));
    // An index in an index, but no deeper.
    let twice = bed.index(vec![index]).await;
    assert_eq!(read(&twice.digest, Some("linux/arm64")).await.unwrap(), digest_for(1));
    let thrice = bed.index(vec![twice]).await;
    assert_eq!(kind(read(&thrice.digest, Some("linux/arm64")).await), ErrorKind::BadOutput);
    assert_eq!(kind(read(&digest_of(b"gone"), None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_image_that_contradicts_itself_is_refused() {
    let bed = Bed::new();
    let mut config = ImageConfig::new(platform("linux/amd64"));
    config.add_layer(digest_of(b"layer"), History::new("COPY"));
    let read = async |image: Descriptor| read_image(&bed.layout, &image.digest, None).await;
    assert_eq!(kind(read(bed.image(&config, Vec::new()).await).await), ErrorKind::BadOutput);

    let layer = bed.blob(media::LAYER_GZIP, gzip(&tar(&[("bin/a", FILE, "", 0o755)]))).await;
    let image = bed.image(&config, vec![layer.clone()]).await;
    let found = read(image.clone()).await.unwrap();
    assert_eq!((&found.config, &found.manifest.layers), (&config, &vec![layer]));
    let file = find_file(&bed.layout, &found.manifest.layers, "/bin/a").await.unwrap();
    assert!(file.unwrap().is_executable());

    let chart = bed.blob("application/vnd.cncf.helm.config.v1+json", b"{}".to_vec()).await;
    let chart = bed.manifest(media::MANIFEST, &ImageManifest::new(chart, Vec::new()).to_json()).await;
    assert_eq!(kind(read(chart).await), ErrorKind::Unsupported);

    let mut lying = image;
    lying.media_type = media::DOCKER_MANIFEST.to_owned();
    lying.platform = Some(platform("linux/amd64"));
    assert_eq!(kind(read(bed.index(vec![lying]).await).await), ErrorKind::BadOutput);
}

#[test]
fn a_platform_has_several_spellings() {
    for (one, other, same) in [
        ("linux/arm64", "linux/arm64/v8", true),
        ("linux/aarch64", "linux/arm64", true),
        ("linux/arm", "linux/arm/v7", true),
        ("linux/arm", "linux/arm/v6", false),
        ("linux/amd64", "linux/arm64", false),
        ("linux/amd64", "windows/amd64", false),
    ] {
        assert_eq!(same_platform(&platform(one), &platform(other)), same, "{one} {other}");
    }
}
