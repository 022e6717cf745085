//! Where manifests are found, and what of them counts.
#![expect(clippy::disallowed_methods, reason = "the tests write the files that are read")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use shipway_core::{Cancel, Context, ErrorKind, FixedCredentials, Login, Result, RunContext, Tree, World};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::manifests::sources::Sources;

fn context(world: World) -> Context {
    RunContext::new(world, "run").context(None, None, Cancel::new())
}

fn written(files: &[&str]) -> (TempDir, Context) {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, format!("# {file}\n")).expect("written");
    }
    let cx = context(World::host(folder.path()));
    (folder, cx)
}

fn sources(names: &[&str]) -> Result<Sources> {
    Sources::new("app", &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), true)
}

async fn read(cx: &Context, names: &[&str]) -> Result<Vec<String>> {
    let read = sources(names)?.read(cx).await?;
    for one in &read {
        assert_eq!(one.text, format!("# {}\n", one.name));
    }
    Ok(read.into_iter().map(|one| one.name.trim_start_matches("app/").to_owned()).collect())
}

#[tokio::test]
async fn names_stand_for_files_in_the_order_in_which_they_are_named() {
    let (_folder, cx) = written(&[
        "app/k8s/b.yaml",
        "app/k8s/a.yml",
        "app/k8s/c.json",
        "app/k8s/notes.txt",
        "app/k8s/kustomization.yaml",
        "app/k8s/deep/d.yaml",
        "app/k8s/deep/er/e.yaml",
        "app/k8s/deep/Kustomization",
        "app/odd.tpl",
        "app/k[1].yaml",
        "other/x.yaml",
    ]);
    let all = ["k8s/a.yml", "k8s/b.yaml", "k8s/c.json", "k8s/deep/d.yaml", "k8s/deep/er/e.yaml"];
    for (names, expected) in [
        (&[][..], &["k8s/b.yaml"][..]),
        (&["k8s/*.yaml"], &["k8s/b.yaml"]),
        (&["k8s/*"], &all),
        (&["k8s"], &all),
        (&["./k8s/"], &all),
        (&["k8s/**/*.yaml"], &["k8s/b.yaml", "k8s/deep/d.yaml", "k8s/deep/er/e.yaml"]),
        (&["k8s/[a-b].*"], &["k8s/a.yml", "k8s/b.yaml"]),
        (&["*/deep/?.yaml"], &["k8s/deep/d.yaml"]),
        (&["k8s/c.json", "k8s/*.json", "k8s/b.yaml"], &["k8s/c.json", "k8s/b.yaml"]),
        // What is named itself may have any name.
        (&["odd.tpl", "k[1].yaml"], &["odd.tpl", "k[1].yaml"]),
    ] {
        assert_eq!(read(&cx, names).await.expect("read"), expected, "{names:?}");
    }
    let beside = sources(&["../other/*.yaml"]).expect("sources").read(&cx).await.expect("read");
    assert_eq!(beside[0].text, "# other/x.yaml\n");
}

#[tokio::test]
async fn a_name_that_finds_nothing_is_a_mistake_with_a_hint() {
    let (folder, cx) = written(&["app/k8s/kustomization.yaml", "app/empty/notes.txt"]);
    for name in ["k8s/*.yaml", "k8s", "empty", "nowhere/*.yaml", "**/*.json"] {
        let error = read(&cx, &[name]).await.expect_err("nothing");
        assert_eq!(error.to_string(), format!("`{name}` finds no manifests"));
        assert!(error.report().hint.is_some());
    }
    assert_eq!(read(&cx, &["nowhere/a.yaml"]).await.expect_err("nothing").kind(), ErrorKind::NotFound);
    let error = read(&cx, &["k8s/kustomization.yaml"]).await.expect_err("a kustomization");
    assert!(error.to_string().contains("is a kustomization"), "{error}");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("app/k8s/link.yaml")).expect("linked");
    assert!(read(&cx, &["k8s/*.yaml"]).await.expect_err("a link").to_string().contains("not a regular file"));
    std::fs::write(folder.path().join("app/k8s/bytes.yml"), [0xff, 0xfe]).expect("written");
    assert!(read(&cx, &["k8s/*.yml"]).await.expect_err("bytes").to_string().contains("not UTF-8"));
}

#[tokio::test]
async fn a_new_file_counts_where_a_pattern_takes_it() {
    let (folder, cx) = written(&["app/k8s/a.yaml", "app/one.yaml"]);
    let of = async |names: &[&str]| sources(names).expect("sources").inputs(&cx).await.expect("inputs");
    let inputs = of(&["one.yaml", "k8s/*.yaml", "gone.yaml", "http://h.example/m.yaml?token=canary"]).await;
    let files: Vec<&Path> = inputs.files.iter().map(AsRef::as_ref).collect();
    assert_eq!(files, [Path::new("app/gone.yaml"), Path::new("app/one.yaml")]);
    assert!(!format!("{inputs:?}").contains("canary"));
    assert_eq!(inputs.facts.keys().collect::<Vec<_>>(), ["manifest http://h.example/m.yaml"]);
    let tree: &Tree = inputs.trees.first().expect("a tree");
    assert_eq!(tree.root, Path::new("app/k8s"));
    let seen = || {
        cx.files().walk(&cx, tree).expect("walked").into_iter().map(|entry| entry.path).collect::<Vec<_>>()
    };
    assert_eq!(seen(), ["a.yaml"]);
    for new in ["b.yaml", "b.txt", "kustomization.yaml"] {
        std::fs::write(folder.path().join("app/k8s").join(new), "").expect("written");
    }
    assert_eq!(seen(), ["a.yaml", "b.yaml"]);
}

#[test]
fn addresses_are_safe_or_refused() {
    let of = |name: &str, plain| {
        Sources::new("", &[name.to_owned()], plain).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(of("https://h.example/m.yaml?token=canary", false), Ok(()));
    assert_eq!(of("http://h.example/m.yaml", true), Ok(()));
    for name in [
        "http://h.example/m.yaml?x=canary",
        "https://me:canary@h.example/m.yaml",
        "gs://canary-free/m.yaml",
        "ftp://h.example/m",
        "https://me:canary@:99999999/",
    ] {
        let error = of(name, false).expect_err(name);
        assert!(!error.contains("canary@") && !error.contains("=canary"), "{error}");
    }
}

/// A server that answers by path, and what it was asked: path and login.
async fn server() -> (String, Arc<Mutex<Vec<(String, bool)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = format!("127.0.0.1:{}", listener.local_addr().expect("an address").port());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, own) = (Arc::clone(&asked), host.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request"));
            }
            let head = String::from_utf8(head).expect("a text").to_lowercase();
            let path = head.split(' ').nth(1).expect("a path").to_owned();
            seen.lock().expect("a lock").push((path.clone(), head.contains("authorization: basic")));
            let redirect =
                |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            let answer = match path.split('?').next().expect("a path") {
                "/m.yaml" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na: 1\n".to_owned(),
                "/near" => redirect("/m.yaml"),
                "/far" => {
                    redirect(&format!("http://localhost:{}/m.yaml", own.rsplit(':').next().expect("a port")))
                }
                "/safe" => redirect("https://h.example/?canary"),
                "/loop" => redirect("/loop"),
                "/large" => {
                    format!("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n{}", " ".repeat(17 << 20))
                }
                "/busy" => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
                "/mine" => "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
                _ => "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
            // Who has heard enough closes.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (host, asked)
}

#[tokio::test]
async fn what_is_at_addresses_comes_last_and_a_login_goes_to_its_own_server_alone() {
    let (host, asked) = server().await;
    let (folder, _) = written(&["app/a.yaml"]);
    let credentials = FixedCredentials::new().login(host.as_str(), Login::new("me", "canary"));
    let cx = context(World::host(folder.path()).credentials(credentials));
    let at = |path: &str| format!("http://{host}{path}");
    let found = sources(&[&at("/near?token=canary"), "a.yaml", &at("/far")])
        .expect("sources")
        .read(&cx)
        .await
        .expect("read");
    let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["app/a.yaml", &at("/near"), &at("/far")]);
    assert_eq!(found[2].text, "a: 1\n");
    let seen = std::mem::take(&mut *asked.lock().expect("a lock"));
    let expected = [("/near?token=canary", true), ("/m.yaml", true), ("/far", true), ("/m.yaml", false)];
    assert_eq!(seen, expected.map(|(path, login)| (path.to_owned(), login)));
    for (path, kind) in [
        ("/safe", ErrorKind::BadOutput),
        ("/loop", ErrorKind::BadOutput),
        ("/large", ErrorKind::BadOutput),
        ("/busy", ErrorKind::Unavailable),
        ("/mine", ErrorKind::Auth),
        ("/none?token=canary", ErrorKind::NotFound),
    ] {
        let error = sources(&[&at(path)]).expect("sources").read(&cx).await.expect_err(path);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.report().to_string().contains("canary"), "{error}");
    }
}
