//! Addresses, taken apart and put together as Go's package `net/url` does.

use std::{collections::BTreeMap, net::Ipv6Addr, sync::Arc};

use gotmpl::Value;

use super::{Answer, Function, MAX_TEXT, arguments::Arguments, function, text};

pub(super) const ALL: &[Function] = &[
    function("urlParse", 1, 1, |a| parsed(a.text(0)?).map_err(|why| format!("the text is no URL: {why}"))),
    function("urlJoin", 1, 1, joined),
];

/// A part of an address, which says what is written there as `%xx`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    Host,
    Path,
    Fragment,
}

impl Part {
    fn keeps(self, byte: u8) -> bool {
        match byte {
            b'-' | b'_' | b'.' | b'~' => true,
            b'$' | b'&' | b'+' | b',' | b';' | b'=' => true,
            b'/' => matches!(self, Self::Path | Self::Fragment),
            b'?' => self == Self::Fragment,
            b':' => self != Self::User,
            b'@' => matches!(self, Self::Path | Self::Fragment),
            b'!' | b'(' | b')' | b'*' => matches!(self, Self::Host | Self::Fragment),
            b'\'' | b'[' | b']' | b'<' | b'>' | b'"' => self == Self::Host,
            byte => byte.is_ascii_alphanumeric(),
        }
    }

    fn written(self, whole: &str) -> String {
        let mut out = String::new();
        for byte in whole.bytes() {
            match self.keeps(byte) {
                true => out.push(char::from(byte)),
                false => out.extend(format!("%{byte:02X}").chars()),
            }
        }
        out
    }

    fn read(self, whole: &str) -> Result<String, &'static str> {
        let (mut out, mut rest) = (Vec::new(), whole.as_bytes());
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte == b'%' {
                let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let byte = byte.ok_or("two digits must follow a `%`")?;
                if self == Self::Host && byte.is_ascii() {
                    return Err("its host is wrong");
                }
                out.push(byte);
                rest = &after[2..];
            } else if self == Self::Host && byte.is_ascii() && !self.keeps(byte) {
                return Err("its host is wrong");
            } else {
                out.push(byte);
            }
        }
        String::from_utf8(out).map_err(|_| "what is written with `%` is not UTF-8")
    }
}

/// Returns the scheme in small letters, if there is one, and what follows it.
fn scheme(whole: &str) -> Result<(String, &str), &'static str> {
    let end = whole.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    match end.map(|end| whole.split_at(end)) {
        Some(("", rest)) if rest.starts_with(':') => Err("it begins with a `:`"),
        Some((scheme, rest)) if rest.starts_with(':') && scheme.starts_with(|c: char| c.is_alphabetic()) => {
            Ok((scheme.to_ascii_lowercase(), &rest[1..]))
        }
        _ => Ok((String::new(), whole)),
    }
}

fn parsed(whole: &str) -> Result<Value, &'static str> {
    let (rest, fragment) = whole.split_once('#').unwrap_or((whole, ""));
    if rest.contains(|c: char| c.is_ascii_control()) {
        return Err("there is a control character in it");
    }
    let fragment = Part::Fragment.read(fragment)?;
    let (scheme, rest) = scheme(rest)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut opaque, mut user, mut host, mut path) = ("", String::new(), String::new(), rest);
    if !rest.starts_with('/') && !scheme.is_empty() {
        (opaque, path) = (rest, "");
    } else if !rest.starts_with('/') && rest.split('/').next().is_some_and(|first| first.contains(':')) {
        return Err("a `:` is in the first part of its path");
    } else if let Some(named) = rest.strip_prefix("//")
        && (!scheme.is_empty() || !rest.starts_with("///"))
    {
        let (authority, after) = named.split_at(named.find('/').unwrap_or(named.len()));
        path = after;
        (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (user_of(user)?, host_of(host)?),
            None => (String::new(), host_of(authority)?),
        };
    }
    let parts = [
        ("scheme", scheme.as_str()),
        ("host", &host),
        ("hostname", hostname(&host)),
        ("path", &Part::Path.read(path)?),
        ("query", query),
        ("opaque", opaque),
        ("fragment", &fragment),
        ("userinfo", &user),
    ];
    let parts = parts.into_iter().map(|(name, part)| (Arc::from(name), Value::from(part)));
    Ok(Value::from(parts.collect::<BTreeMap<Arc<str>, Value>>()))
}

/// Returns who is named before the `@`, in the one way to write it.
fn user_of(whole: &str) -> Result<String, &'static str> {
    if whole.contains(|c: char| !c.is_ascii_alphanumeric() && !"-._:~!$&'()*+,;=%@".contains(c)) {
        return Err("its user is wrong");
    }
    let write = |part| Part::User.read(part).map(|part| Part::User.written(&part));
    match whole.split_once(':') {
        Some((name, password)) => Ok(format!("{}:{}", write(name)?, write(password)?)),
        None => write(whole),
    }
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn host_of(whole: &str) -> Result<String, &'static str> {
    let port = match whole.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("its host is wrong")?;
            // A zone, as in `[fe80::1%25en0]`, means something on one machine alone.
            address.parse::<Ipv6Addr>().map_err(|_| "its host is wrong")?;
            port
        }
        None if whole.contains(['[', ']']) => return Err("its host is wrong"),
        None => whole.find(':').map_or("", |colon| &whole[colon..]),
    };
    match is_port(port) {
        true => Part::Host.read(whole),
        false => Err("its port is no number"),
    }
}

/// The host without its port.
fn hostname(host: &str) -> &str {
    let name = match host.rfind(':') {
        Some(colon) if is_port(&host[colon..]) => &host[..colon],
        _ => host,
    };
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

fn joined(a: &Arguments) -> Answer {
    let parts = a.dict(0)?;
    let part = |name: &str| match parts.get(name) {
        None => Ok(""),
        Some(Value::String(part)) => Ok(part.as_ref()),
        Some(_) => Err(format!("the dict's `{name}` is no text")),
    };
    let (scheme, host, path, fragment) = (part("scheme")?, part("host")?, part("path")?, part("fragment")?);
    let (opaque, query, user) = (part("opaque")?, part("query")?, part("userinfo")?);
    let user = user_of(user).map_err(|why| format!("the dict is no URL: {why}"))?;
    let mut out = String::new();
    if !scheme.is_empty() {
        out = format!("{scheme}:");
    }
    if opaque.is_empty() {
        if !host.is_empty() || !user.is_empty() || !scheme.is_empty() && !path.is_empty() {
            out.push_str("//");
        }
        if !user.is_empty() {
            out.push_str(&user);
            out.push('@');
        }
        out.push_str(&Part::Host.written(host));
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            out.push('/');
        }
        // A path is not taken for a scheme.
        if out.is_empty() && path.split('/').next().is_some_and(|first| first.contains(':')) {
            out.push_str("./");
        }
        out.push_str(&if path == "*" { path.to_owned() } else { Part::Path.written(path) });
    } else {
        out.push_str(opaque);
    }
    for (mark, part) in [('?', query), ('#', &Part::Fragment.written(fragment))] {
        if !part.is_empty() {
            out.push(mark);
            out.push_str(part);
        }
    }
    if out.len() > MAX_TEXT {
        return Err(format!("more than {MAX_TEXT} bytes come out"));
    }
    text(out)
}
