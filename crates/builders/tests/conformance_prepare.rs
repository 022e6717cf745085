//! The contract's clauses for `native` without a Dockerfile: a command makes what is put upon a base.

use shipway_builders::{FileCopy, ImageSettings, Native, NativeConfig, Prepare};

fn main() -> std::process::ExitCode {
    let native = || {
        let command = ["sh", "-c", "tr a-z A-Z <word.txt >{output}/word"];
        let options = NativeConfig::default()
            .base("scratch")
            .prepare(Prepare::new(command).dependencies(["word.txt"]))
            .file(FileCopy::new("{output}/word", "/word"))
            .config(ImageSettings::default().entrypoint(["/word"]));
        Native::new(options).expect("the options fit together")
    };
    let path = ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
    shipway_testkit::builder(native)
        .fixture("tests/fixtures/program")
        .world(move |world| world.env([path.clone()]))
        .main()
}
