//! The credentials in a kubeconfig, which are hidden in output; all else of it, such as `apiVersion: v1`,
//! stands in every manifest.

/// What the name of a credential has in it (client-go, `clientcmd/api/v1`, and what plug-ins for logins
/// call theirs).
const WORDS: [&str; 6] = ["token", "password", "passphrase", "secret", "key-data", "access_key"];
/// Names that have such a word and say where a credential is, not what it is.
const PLACES: [&str; 3] = ["tokenfile", "token-file", "token-url"];

/// Returns the values to hide: those with the name of a credential, in YAML's block and flow style, in
/// JSON and in arguments such as `--token=…`, and the passwords of URLs.
pub(super) fn credentials(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices([':', '=']) {
        let name = name_before(&text[..at]);
        if is_credential(name) || name == "value" && is_of_credential(text, at) {
            values(text, at, &mut found);
        }
    }
    for (at, _) in text.match_indices("://") {
        let rest = &text[at + 3..];
        let authority = &rest[..rest.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(rest.len())];
        let password = authority.rsplit_once('@').and_then(|(user, _)| Some(user.split_once(':')?.1));
        found.extend(password.map(str::to_owned));
    }
    found.retain(|value| !value.is_empty());
    found
}

fn is_credential(name: &str) -> bool {
    let name = name.to_lowercase();
    WORDS.iter().any(|word| name.contains(word)) && !PLACES.contains(&name.trim_start_matches('-'))
}

/// Returns whether a `value` stands beside the `name` of a credential, in one item of a list.
fn is_of_credential(text: &str, at: usize) -> bool {
    let own = line_of(text, at);
    let is_item = |line: &str| line.trim_start().starts_with('-');
    let before = text[..at].lines().rev().nth(1).filter(|_| !is_item(own));
    let after = text[at..].lines().nth(1).filter(|after| !is_item(after));
    [before, Some(own), after].into_iter().flatten().any(|line| {
        let name = line.split_once("name").map(|(_, name)| name.split([',', '}']).next().unwrap_or(name));
        name.is_some_and(is_credential)
    })
}

/// Returns the line of a place.
fn line_of(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[start..].lines().next().unwrap_or_default()
}

/// Returns the name that ends here, without its quotes.
fn name_before(text: &str) -> &str {
    let text = text.trim_end_matches([' ', '"', '\'']);
    let part = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    &text[text.trim_end_matches(part).len()..]
}

/// Adds the values of what stands at a place, after a name.
fn values(text: &str, at: usize, found: &mut Vec<String>) {
    let (line, rest) = (line_of(text, at), &text[at + 1..]);
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    let rest = rest.trim_start_matches([' ', '\t']);
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == quote && !escaped;
                escaped = c == '\\' && !escaped && quote == '"';
                ends
            });
            let raw = &rest[1..end.map_or(rest.len(), |end| end + 1)];
            found.push(raw.to_owned());
            // With its escapes, as JSON has them too, it is another text.
            found.extend(serde_json::from_str(&format!("\"{raw}\"")).ok().filter(|_: &String| quote == '"'));
        }
        Some('|' | '>') => {
            let deeper =
                |line: &&str| line.trim().is_empty() || line.len() - line.trim_start().len() > indent;
            let lines: Vec<&str> = rest.lines().skip(1).take_while(deeper).map(str::trim).collect();
            found.push(lines.join("\n").trim().to_owned());
        }
        _ => {
            let value = rest.lines().next().unwrap_or_default();
            let plain = value.split(" #").next().unwrap_or(value).trim();
            // Inside of `{…}` and `[…]` it ends earlier.
            let ends = |c: char| line_of(text, at).contains(['{', '[']) && ",}]".contains(c);
            let plain = plain.split(ends).next().unwrap_or(plain).trim();
            found.push(plain.trim_end_matches(['"', '\'']).to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_credentials_are_found() {
        let yaml = "apiVersion: v1\nkind: Config\nclusters:\n- name: production\n  cluster:\n    \
                    server: https://admin:url-secret@10.0.0.1:6443/x\n    certificate-authority-data: public-data\n\
                    users:\n- name: production\n  user:\n    token: \"quoted\\\"token\" # why\n    \
                    client-key-data: key+data==\n    password: p,a}ss\n    tokenFile: /run/token-file\n\
                    - user: {username: me, password: in-flow, token: 'single'}\n\
                    - user:\n    exec:\n      command: aws\n      args: [eks, get-token, --token=argument]\n      \
                    env:\n      - name: AWS_SECRET_ACCESS_KEY\n        value: of-env\n      - name: AWS_PROFILE\n        \
                    value: profile\n      - {value: in-env, name: MY_TOKEN}\n    auth-provider:\n      config:\n        \
                    id-token: |\n          first\n          second\n        client-secret: last\n";
        let found = credentials(yaml);
        let wanted = [
            "quoted\"token",
            "key+data==",
            "p,a}ss",
            "in-flow",
            "single",
            "argument",
            "of-env",
            "in-env",
            "first\nsecond",
            "last",
            "url-secret",
        ];
        for value in wanted {
            assert!(found.iter().any(|found| found == value), "{value}: {found:?}");
        }
        let public =
            ["v1", "Config", "production", "public-data", "/run/token-file", "profile", "aws", "me", "p"];
        for value in public {
            assert!(!found.iter().any(|found| found == value), "{value}: {found:?}");
        }
    }

    #[test]
    fn json_is_read_too() {
        let json =
            r#"{"users":[{"name":"a","user":{"token":"of-json","client-key-data":"a\/b"}}],"kind":"Config"}"#;
        let found = credentials(json);
        assert!(found.contains(&"of-json".to_owned()) && found.contains(&"a/b".to_owned()), "{found:?}");
        assert!(credentials("token").is_empty() && credentials("token:\n").is_empty());
        assert!(credentials("é: |\ntoken: |\n").is_empty());
    }
}
