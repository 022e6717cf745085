//! What a command is given comes to it as it is, whatever a shell would make of it.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the test prepares and looks at the real disk"
)]

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use proptest::prelude::{
    Just, ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use shipway_core::{Cancel, Command, FixedCredentials, RunContext, RunRequest, Runner, SecretId, World};
use shipway_runners::Host;
use tempfile::TempDir;

/// A program that writes its arguments, three variables and its folder, each with a NUL after it.
const DUMP: &str =
    "#!/bin/sh\nprintf '%s\\0' \"$@\" \"$ONE\" \"$TWO\" \"$SECRET\" \"$PWD\" \"$(cat; echo .)\"\n";

/// Text that means something to shells, programs or terminals, or any other.
fn hostile() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "",
        " ",
        "-h",
        "--",
        "--upload-pack=touch sprung",
        "$(touch sprung)",
        "`touch sprung`",
        "; touch sprung",
        "| touch sprung",
        "& touch sprung &",
        "\n touch sprung \n",
        "' ; touch sprung ; '",
        "\" ; touch sprung ; \"",
        "${IFS}touch${IFS}sprung",
        "> sprung",
        "*",
        "~",
        "!!",
        "\\",
        "%s%n",
        "\r\n",
        "\u{1b}]0;x\u{7}",
        "\u{202e}abc",
        "{{.Env}}",
    ]);
    prop_oneof![known.prop_map(str::to_owned), "[^\0]{0,20}", Just("a".repeat(10_000))]
}

/// Returns what the dump wrote, text by text.
fn dumped(request: RunRequest, folder: &TempDir, secret: &str) -> Vec<String> {
    let scratch = folder.path().join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    let world = World::host(folder.path())
        .scratch(scratch)
        .env([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())])
        .credentials(FixedCredentials::new().secret("key", secret));
    let cx = RunContext::new(world, "run").context(None, None, Cancel::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let exit = runtime.block_on(Host::new().run(&cx, &request)).unwrap();
    assert_eq!(exit.code, 0, "{}", exit.stderr);
    let mut texts: Vec<String> = exit.stdout.split('\0').map(str::to_owned).collect();
    assert_eq!(texts.pop().as_deref(), Some(""));
    texts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_given_comes_as_it_is(
        args in prop::collection::vec(hostile(), 0..5),
        one in hostile(),
        two in hostile(),
        secret in hostile(),
        input in hostile(),
        place in "[^\0/]{1,10}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let place = if place.trim_matches('.').is_empty() { "plain".to_owned() } else { place };
        // The program's own path is hostile as well.
        let work = folder.path().canonicalize().unwrap().join(&place);
        fs::create_dir(&work).unwrap();
        let program = work.join("$(touch sprung) -h");
        fs::write(&program, DUMP).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let before = fs::read_dir(&work).unwrap().count();
        let command = Command::new(program.to_str().unwrap())
            .args(args.clone())
            .env(BTreeMap::from([("ONE".to_owned(), one.clone()), ("TWO".to_owned(), two.clone())]))
            .secrets([("SECRET".to_owned(), SecretId::parse("key").unwrap())])
            .stdin(input.clone())
            .dir(work.clone())
            .capture(true);
        let expected: Vec<String> = args
            .into_iter()
            .chain([one, two, secret.clone(), work.to_str().unwrap().to_owned(), input + "."])
            .collect();
        prop_assert_eq!(dumped(RunRequest::new(command), &folder, &secret), expected);
        prop_assert_eq!(fs::read_dir(&work).unwrap().count(), before, "something was made");
        prop_assert!(!folder.path().join("sprung").exists());
    }
}
