//! What the image's configuration says.

use shipway_oci::ImageConfig;

use super::{
    expand::Variables,
    schema::{Expectation, Expected, MetadataTest},
};

/// Returns the image's environment; of several variables with one name the last.
pub(super) fn environment(config: &ImageConfig) -> Variables {
    let variable = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        (name.to_owned(), value.to_owned())
    };
    config.env.iter().map(variable).collect()
}

/// Returns what is not as the test expects.
pub(super) fn problems(test: &MetadataTest, config: &ImageConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let environment = environment(config);
    for expectation in &test.env_vars {
        let actual = environment.get(&expectation.key.0).map(String::as_str);
        problems.extend(unlike("the variable", expectation, actual));
    }
    for name in test.unbound_env_vars.iter().map(|setting| &setting.key) {
        if let Some(value) = environment.get(name) {
            problems.push(format!("the variable `{name}` is set, to `{value}`"));
        }
    }
    for expectation in &test.labels {
        let actual = config.labels.get(&expectation.key.0).map(String::as_str);
        problems.extend(unlike("the label", expectation, actual));
    }
    for (what, expected, actual) in
        [("entrypoint", &test.entrypoint, &config.entrypoint), ("command", &test.cmd, &config.cmd)]
    {
        if let Some(expected) = expected.as_ref().filter(|expected| *expected != actual) {
            problems.push(format!("the {what} is {actual:?}, not {expected:?}"));
        }
    }
    for (what, expected, actual) in
        [("working folder", &test.workdir, &config.working_dir), ("user", &test.user, &config.user)]
    {
        if !expected.is_empty() && expected != actual {
            problems.push(format!("the {what} is `{actual}`, not `{expected}`"));
        }
    }
    // The real tool compares the number alone.
    let ports: Vec<&str> =
        config.exposed_ports.iter().map(|port| port.split('/').next().unwrap_or_default()).collect();
    let volumes: Vec<&str> = config.volumes.iter().map(String::as_str).collect();
    for (what, expected, not, actual) in [
        ("port", &test.exposed_ports, &test.unexposed_ports, ports),
        ("volume", &test.volumes, &test.unmounted_volumes, volumes),
    ] {
        let missing = expected.iter().filter(|one| !actual.contains(&one.0.as_str()));
        problems.extend(missing.map(|one| format!("there is no {what} `{one}`")));
        let there = not.iter().filter(|one| actual.contains(&one.as_str()));
        problems.extend(there.map(|one| format!("there is a {what} `{one}`")));
    }
    problems
}

fn unlike(what: &str, expectation: &Expectation, actual: Option<&str>) -> Option<String> {
    let key = &expectation.key;
    match (&expectation.value, actual) {
        (_, None) => Some(format!("{what} `{key}` is not set")),
        (Expected::Text(text), Some(actual)) if text != actual => {
            Some(format!("{what} `{key}` is `{actual}`, not `{text}`"))
        }
        (Expected::Match(pattern), Some(actual)) if !pattern.matches(actual) => {
            Some(format!("{what} `{key}` is `{actual}`, which `{}` does not match", pattern.as_str()))
        }
        _ => None,
    }
}
