//! Base images with all that layers may hold, pushed to the bed's registry for two platforms.

use shipway_core::{Context, Store, Tag};
use shipway_oci::{Descriptor, Distribution, ImageIndex, ImageManifest, Stores, digest_of, media};
use tar::{Builder, EntryType, Header};
use tokio::sync::OnceCell;

const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// Pushes the images `equal/odd:1`, `equal/user:1` and `equal/trigger:1`, once for all tests: docker-registry
/// cuts a file short for a moment when the same is written again, and says then that it is not there.
pub(crate) async fn push(cx: &Context, registry: &str) {
    static PUSHED: OnceCell<()> = OnceCell::const_new();
    PUSHED.get_or_init(|| push_all(cx, registry)).await;
}

async fn push_all(cx: &Context, registry: &str) {
    let plain = serde_json::json!({
        "Env": ["PATH=/odd/bin", "BASE=yes", "BOTH=base"],
        "Cmd": ["base", "command"],
        "Labels": {"base": "yes", "both": "base"},
        "WorkingDir": "/work",
        "ExposedPorts": {"1/tcp": {}},
        "Volumes": {"/base": {}},
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5_000_000_000_i64},
    });
    let user = serde_json::json!({"User": "app", "WorkingDir": "/home/app", "Shell": ["/bin/odd", "-x"]});
    let trigger = serde_json::json!({
        "Env": ["A=1"],
        "OnBuild": ["ENV TRIGGERED=$A", "COPY onbuild/x /triggered/", "WORKDIR /on", "ADD files.tar ."],
    });
    for (name, settings) in [("odd", plain), ("user", user), ("trigger", trigger)] {
        let repository = format!("{registry}/equal/{name}");
        let into = Stores::new().open(cx, &Store::Registry, &repository).unwrap();
        image(into.as_ref(), &settings).await;
    }
}

async fn image(into: &dyn Distribution, settings: &serde_json::Value) {
    let tag = Tag::parse("1").unwrap();
    let mut manifests = Vec::new();
    for architecture in PLATFORMS {
        let tars = [low(architecture), high()];
        let diff_ids: Vec<String> = tars.iter().map(|tar| digest_of(tar).as_str().to_owned()).collect();
        let mut layers = Vec::new();
        for tar in tars {
            layers.push(put(into, "application/vnd.oci.image.layer.v1.tar", tar).await);
        }
        let config = serde_json::json!({
            "os": "linux",
            "architecture": architecture,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "low"}, {"created_by": "high"}],
        });
        let config = put(into, media::CONFIG, config.to_string().into_bytes()).await;
        let manifest = ImageManifest::new(config, layers).to_json();
        let size = manifest.len() as u64;
        let digest = into.write_manifest(media::MANIFEST, manifest, None).await.unwrap();
        let mut descriptor = Descriptor::new(media::MANIFEST, digest, size);
        descriptor.platform = Some(format!("linux/{architecture}").parse().unwrap());
        manifests.push(descriptor);
    }
    into.write_manifest(media::INDEX, ImageIndex::new(manifests).to_json(), Some(&tag)).await.unwrap();
}

async fn put(into: &dyn Distribution, media_type: &str, bytes: Vec<u8>) -> Descriptor {
    let descriptor = Descriptor::new(media_type, digest_of(&bytes), bytes.len() as u64);
    into.write_blob(&descriptor, Box::pin(std::io::Cursor::new(bytes))).await.unwrap();
    descriptor
}

struct Layer(Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn add(
        &mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        owner: (u64, u64),
        content: &[u8],
    ) -> &mut Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        if kind == EntryType::Char {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        self.0.append_data(&mut header, path, content).unwrap();
        self
    }

    fn folder(&mut self, path: &str, mode: u32) -> &mut Self {
        self.add(path, EntryType::Directory, mode, (0, 0), b"")
    }

    fn file(&mut self, path: &str, mode: u32, content: &str) -> &mut Self {
        self.add(path, EntryType::Regular, mode, (0, 0), content.as_bytes())
    }

    fn link(&mut self, path: &str, kind: EntryType, target: &str) -> &mut Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o777);
        header.set_mtime(0);
        header.set_size(0);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    fn attribute(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.0.append_pax_extensions([(format!("SCHILY.xattr.{name}").as_str(), value)]).unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn low(architecture: &str) -> Vec<u8> {
    let mut layer = Layer::new();
    layer.folder("etc", 0o755).file("etc/arch", 0o644, architecture);
    layer.file("etc/passwd", 0o644, "root:x:0:0::/:/bin/sh\napp:x:1234:4321::/home/app:/bin/sh\n");
    layer.file("etc/group", 0o644, "root:x:0:\nweb:x:77:app\n");
    layer.folder("usr", 0o755).folder("usr/bin", 0o755).file("usr/bin/sh", 0o755, "sh");
    layer.link("bin", EntryType::Symlink, "usr/bin").link("app", EntryType::Symlink, "/opt/app");
    layer.link("tofile", EntryType::Symlink, "etc/arch").folder("tmp", 0o1777);
    layer.add("private", EntryType::Directory, 0o700, (5, 6), b"");
    layer.add("private/own", EntryType::Regular, 0o600, (5, 6), b"own");
    layer.folder("odd", 0o750).file("odd/gone", 0o644, "gone").folder("odd/opaque", 0o755);
    layer.file("odd/opaque/below", 0o644, "hidden").file("odd/setuid", 0o4755, "s");
    layer.file("odd/setgid", 0o2755, "s").file("odd/first", 0o644, "two names");
    layer.link("odd/second", EntryType::Link, "odd/first");
    layer.link("odd/dangling", EntryType::Symlink, "../../../../nowhere");
    layer.link("odd/absolute", EntryType::Symlink, "/etc/passwd");
    layer.link("odd/folder", EntryType::Symlink, "/private");
    layer.add("odd/fifo", EntryType::Fifo, 0o644, (0, 0), b"");
    layer.add("odd/null", EntryType::Char, 0o666, (0, 0), b"");
    layer.attribute("user.shipway", b"yes").file("odd/attributes", 0o644, "x");
    // CAP_NET_BIND_SERVICE, permitted and effective (linux/capability.h, `vfs_cap_data` revision 2).
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    layer.attribute("security.capability", &capability).file("odd/capable", 0o755, "c");
    layer.file(&format!("odd/{}", "long-".repeat(40)), 0o644, "long").folder("odd/ünï", 0o755);
    layer.bytes()
}

fn high() -> Vec<u8> {
    let mut layer = Layer::new();
    layer.file("odd/.wh.gone", 0o644, "").file("odd/opaque/.wh..wh..opq", 0o644, "");
    layer.file("odd/opaque/new", 0o644, "new").file("odd/above", 0o644, "above");
    layer.bytes()
}
