//! What programs said, made fit for one line that people read: no control characters, no credentials in addresses,
//! not too long.

/// How many characters of a message are shown.
const MOST: usize = 400;

/// What follows these words is a credential (RFC 9110, section 11.4), but in sentences about them.
const SCHEMES: [&str; 2] = ["bearer", "basic"];
const SENTENCES: [&str; 3] = ["auth", "token", "realm"];

/// Returns a message as one line. Of addresses, user, password and query are left out: the query of a signed
/// address is a credential, and registries redirect to such.
pub(super) fn line(message: &str) -> String {
    let mut line = String::new();
    let mut hidden = false;
    for word in message.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        // `Authorization: Bearer` is two such words.
        if hidden && !SENTENCES.iter().any(|one| word.starts_with(one)) {
            line.push_str("***");
        } else {
            line.push_str(&address(word));
        }
        hidden = SCHEMES.iter().any(|one| one.eq_ignore_ascii_case(word.trim_matches('"')));
    }
    match line.char_indices().nth(MOST) {
        None => line,
        Some((end, _)) => {
            line.truncate(end);
            line.push('…');
            line
        }
    }
}

/// Returns a word without what an address in it may hold secretly.
fn address(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    // What ends an address in a message: `Get "https://…":`.
    let end = rest.find(['"', '\'', '<', '>', ')', ',']).unwrap_or(rest.len());
    let (address, after) = rest.split_at(end);
    let authority = address.find(['/', '?', '#']).unwrap_or(address.len());
    let host = address[..authority].rfind('@').map_or(0, |at| at + 1);
    let address = &address[host..];
    let (path, query) = match address.find(['?', '#']) {
        Some(at) => (&address[..at], "?***"),
        None => (address, ""),
    };
    // There may be another address after it.
    format!("{scheme}://{path}{query}{}", self::after(after))
}

fn after(rest: &str) -> String {
    if rest.contains("://") { address(rest) } else { rest.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_stands_around_it_a_login_in_an_address_is_not_shown(before in ".{0,20}", after in ".{0,20}") {
            let shown = line(&format!("{before} https://me:canary@h/x?canary {after}"));
            prop_assert!(!shown.contains("canary"), "{shown}");
            prop_assert!(!shown.contains(char::is_control), "{shown}");
        }
    }

    #[test]
    fn addresses_lose_their_credentials_and_lines_their_ends() {
        for (said, shown) in [
            ("a\n b\t\u{1b}[2Jc ", "a b [2Jc"),
            (
                r#"Get "https://me:canary@r.example/v2/?x=canary": EOF"#,
                r#"Get "https://r.example/v2/?***": EOF"#,
            ),
            ("http://h/x#canary", "http://h/x?***"),
            ("https://a@b@h/x@y", "https://h/x@y"),
            ("Authorization: Bearer canary end", "Authorization: Bearer *** end"),
            ("header Basic canary", "header Basic ***"),
            ("incorrect basic auth or bearer token", "incorrect basic auth or bearer token"),
            ("<https://u:canary@h>,<https://u:canary@i>", "<https://h>,<https://i>"),
        ] {
            assert_eq!(line(said), shown);
        }
        assert_eq!(line(&"é".repeat(500)).chars().count(), MOST + 1);
    }
}
