//! The contract's clauses for `envTemplate`.

use shipway_taggers::EnvTemplate;

fn main() -> std::process::ExitCode {
    shipway_testkit::tagger(|| EnvTemplate::parse("{{.IMAGE_NAME}}-{{.BUILD}}").expect("it is a template"))
        .world(|world| world.env([("BUILD".to_owned(), "7".to_owned())]))
        .main()
}
