//! Queries of requests, and paths with names in them, escaped.

use std::fmt;

/// The query of a request: what is not set is left out.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// Sets it to `1`, or leaves it out.
    pub(crate) fn flag(self, name: &'static str, on: bool) -> Self {
        if on { self.set(name, "1") } else { self }
    }

    /// Sets it unless the value is empty.
    pub(crate) fn text(self, name: &'static str, value: &str) -> Self {
        if value.is_empty() { self } else { self.set(name, value) }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={}", if index == 0 { '?' } else { '&' }, escape(value, ""))?;
        }
        Ok(())
    }
}

/// Escapes a text for a URL (RFC 3986, section 2.3); what is in `kept` stays too.
pub(crate) fn escape(text: &str, kept: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || (c.is_ascii() && kept.contains(c)) {
            escaped.push(c);
        } else {
            use fmt::Write;
            // Writing to a text cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Escapes the name of an image for a path: its slashes and colons are part of the engine's routes.
pub(crate) fn escape_name(name: &str) -> String {
    escape(name, "/:@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let query = Query::new().set("a", "x&y=ä").flag("b", true).flag("c", false).text("d", "");
        assert_eq!(query.to_string(), "?a=x%26y%3D%C3%A4&b=1");
        assert_eq!(escape_name("h:5000/a b@sha256:0?"), "h:5000/a%20b@sha256:0%3F");
    }
}
