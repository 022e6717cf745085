//! The logins that a build needs, as the Docker configuration that the executor reads.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shipway_core::{Login, LoginKind};
use shipway_oci::DockerConfig;

/// Returns a Docker configuration with these logins, by host.
pub(super) fn docker_config(logins: &BTreeMap<String, Login>) -> String {
    let auths: Map<String, Value> =
        logins.iter().map(|(host, login)| (DockerConfig::key(host).to_owned(), entry(login))).collect();
    json!({ "auths": auths }).to_string()
}

fn entry(login: &Login) -> Value {
    let password = login.password.expose();
    match login.kind {
        LoginKind::IdentityToken => json!({"username": login.username, "identitytoken": password}),
        LoginKind::RegistryToken => json!({"registrytoken": password}),
        _ => json!({"username": login.username, "password": password}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_login_has_its_field() {
        let logins = BTreeMap::from([
            ("docker.io".to_owned(), Login::new("me", "p\"w")),
            ("a.example:5000".to_owned(), Login::token(LoginKind::IdentityToken, "refresh")),
            ("b.example".to_owned(), Login::token(LoginKind::RegistryToken, "bearer")),
        ]);
        insta::assert_snapshot!(docker_config(&logins), @r#"
        {"auths":{"a.example:5000":{"identitytoken":"refresh","username":""},"b.example":{"registrytoken":"bearer"},"https://index.docker.io/v1/":{"password":"p\"w","username":"me"}}}
        "#);
    }
}
