//! Dockerfiles that are not trusted: what would run a program of theirs is refused, in every spelling.
#![expect(clippy::unwrap_used, reason = "a test may")]
#![expect(clippy::print_stdout, reason = "the figure of the test")]
#![expect(clippy::disallowed_methods, reason = "tests prepare their sources and look at what came out")]
#![expect(unreachable_pub, reason = "the tests share a module")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use shipway_builders::{Docker, DockerConfig, NativeConfig};
use shipway_core::{Builder as _, ErrorKind};
use support::Bench;

/// Ways to run a command.
const RUN: [&str; 12] = [
    "FROM scratch\nRUN id\n",
    "FROM scratch\nrun [\"id\"]\n",
    "FROM scratch\n  RuN\tid\n",
    "FROM scratch\nRU\\\nN id\n",
    "# escape=`\nFROM scratch\nRUN `\nid\n",
    "FROM scratch\nRUN <<EOF\nid\nEOF\n",
    "FROM scratch\nRUN --mount=type=bind,from=scratch,target=/x id\n",
    "FROM scratch\nRUN --security=insecure --network=host id\n",
    "FROM scratch AS a\nRUN id\nFROM scratch\nCOPY --from=a / /\n",
    "FROM scratch AS a\nONBUILD RUN id\nFROM a\n",
    "FROM scratch AS a\nRUN id\nFROM a\nCOPY f /\n",
    "\u{feff}FROM scratch\nRUN id\n",
];

/// Ways to ask for a frontend that is not pinned.
const FRONTENDS: [&str; 12] = [
    "# syntax=evil/frontend\nFROM scratch\n",
    "#syntax = evil/frontend:1\nFROM scratch\n",
    "# SYNTAX=evil/frontend\r\nFROM scratch\r\n",
    "\u{feff}# syntax=evil/frontend\nFROM scratch\n",
    "#!/usr/bin/env x\n# syntax=evil/frontend\nFROM scratch\n",
    "# check=skip=all\n# syntax=evil/frontend\nFROM scratch\n",
    "# escape=`\n# syntax=evil/frontend\nFROM scratch\n",
    "// syntax=evil/frontend\nFROM scratch\n",
    "//syntax=evil/frontend\n{}\n",
    "{\"syntax\": \"evil/frontend\"}",
    "# syntax=evil/frontend --x=@sha256:0000000000000000000000000000000000000000000000000000000000000000\nFROM scratch\n",
    "# syntax=evil/frontend@sha256:00\nFROM scratch\n",
];

#[tokio::test]
async fn nothing_of_a_dockerfile_runs_where_it_is_not_trusted() {
    for dockerfile in RUN {
        let bench = Bench::new().dockerfile(dockerfile).file("f", "");
        let error = bench.build(NativeConfig::default()).await.expect_err(dockerfile);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{dockerfile}: {error}");
    }
    // Where it comes this far, the engine, which is not there, is asked.
    let built = async |dockerfile: &str, untrusted: bool| {
        let bench = Bench::new().dockerfile(dockerfile);
        let options = DockerConfig::default().endpoint("unix:///nowhere/docker.sock").untrusted(untrusted);
        let request = bench.request();
        let cx = bench.cx();
        Docker::new(options).unwrap().build(&cx, &request).await.expect_err("no engine").kind()
    };
    for dockerfile in FRONTENDS {
        assert_eq!(built(dockerfile, true).await, ErrorKind::Config, "{dockerfile}");
        assert_ne!(built(dockerfile, false).await, ErrorKind::Config, "{dockerfile}");
    }
    let pinned = format!("# syntax=some/frontend@sha256:{}\nFROM scratch\n", "0".repeat(64));
    for trusted in [pinned.as_str(), "FROM scratch\nLABEL a=b # syntax=x\n"] {
        assert_ne!(built(trusted, true).await, ErrorKind::Config, "{trusted}");
    }
    println!(
        "M12: {} of {} ways to run a command and {} of {} frontends that are not pinned refused",
        RUN.len(),
        RUN.len(),
        FRONTENDS.len(),
        FRONTENDS.len()
    );
}
