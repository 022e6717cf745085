//! The secrets of the runs, and every form in which somebody may show them.

/// What commands and plug-ins are given by its id.
pub(crate) const GIVEN: [(&str, &str); 4] = [
    ("token", "canary-token-0123456789"),
    ("odd", "canary \"odd\" p@ss/w%rd+é<&>"),
    // A token is often longer than the lines that `base64` writes.
    (
        "long",
        "canary.eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkNhbmFyeSJ9.SflKxwRJSMeK",
    ),
    (
        "pem",
        "-----BEGIN CANARY KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\nY2FuYXJ5IGxpbmUgdHdvIG9mIHRoZSBrZXkgdGhhdCBub2JvZHkgbWF5IHNlZQ==\n-----END CANARY KEY-----\n",
    ),
];

pub(crate) const PASSWORD: &str = "canary-password-of-the-registry";
pub(crate) const CLUSTER: &str = "canary-bearer-of-the-cluster";

/// What is in a `Secret` object alone, which nobody tells core of.
pub(crate) const DATA: &str = "canary-in-the-data";
pub(crate) const STRING_DATA: &str = "canary-in-the-string-data";
pub(crate) const LAST_APPLIED: &str = "canary-in-the-last-applied-configuration";

/// Returns what core is told of: each is masked wherever it is shown.
pub(crate) fn told() -> Vec<String> {
    let given = GIVEN.iter().map(|(_, value)| (*value).to_owned());
    given.chain([PASSWORD.to_owned(), format!("ci:{PASSWORD}"), CLUSTER.to_owned()]).collect()
}

pub(crate) fn all() -> Vec<String> {
    told().into_iter().chain([DATA, STRING_DATA, LAST_APPLIED].map(str::to_owned)).collect()
}

/// Returns a value as tools show it, whole or line by line.
pub(crate) fn forms(value: &str) -> Vec<String> {
    let hex = |upper: bool| {
        let pair = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        value.bytes().map(pair).collect::<String>()
    };
    let percent: String = value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let quoted = serde_json::Value::from(value).to_string();
    let encoded = base64(value.as_bytes());
    let wrapped = encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned());
    let mut forms: Vec<String> = value.lines().map(str::to_owned).collect();
    forms.extend([quoted[1..quoted.len() - 1].to_owned(), hex(false), hex(true), percent]);
    forms.extend([encoded.trim_end_matches('=').to_owned(), encoded.replace('+', "-").replace('/', "_")]);
    forms.extend(wrapped);
    // Shorter pieces are everywhere by chance.
    forms.retain(|form| form.trim_end_matches('=').len() >= 8);
    forms
}

/// Returns how a text shows a secret, if it does.
pub(crate) fn shown(text: &str) -> Option<String> {
    all().into_iter().find_map(|value| {
        let form = forms(&value).into_iter().find(|form| text.contains(form.as_str()))?;
        Some(format!("`{form}` of `{value}`"))
    })
}

/// Returns the bytes in base64 (RFC 4648).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0, |group, &byte| group << 8 | usize::from(byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let symbol = ALPHABET[group >> (18 - 6 * index) & 63];
            text.push(if index <= chunk.len() { char::from(symbol) } else { '=' });
        }
    }
    text
}
