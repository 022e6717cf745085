//! Packages by what package managers write down: dpkg, apk, npm, pip. A text that is malformed gives fewer packages
//! and is no error: it is the image's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Package;
use crate::materials::encoded;

/// The most characters of a name or a version.
const WORD: usize = 256;

/// A distribution, as `/etc/os-release` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct System {
    pub(super) id: String,
    pub(super) version: String,
}

/// Reads `os-release` (os-release(5)).
pub(super) fn system(text: &str) -> Option<System> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        word(line.trim().trim_matches(['"', '\'']))
    };
    Some(System { id: value("ID")?, version: value("VERSION_ID").unwrap_or_default() })
}

/// Reads `/var/lib/dpkg/status`, or one of distroless's files in `status.d` (deb-control(5)).
pub(super) fn dpkg<'a>(
    text: &'a str,
    path: &'a str,
    system: Option<&'a System>,
) -> impl Iterator<Item = (String, Package)> + 'a {
    stanzas(text, ": ").filter_map(move |fields| {
        // Distroless leaves the status out.
        if fields.get("Status").is_some_and(|status| !status.ends_with(" installed")) {
            return None;
        }
        of_system("deb", "debian", &fields, ["Package", "Version", "Architecture"], path, system)
    })
}

/// Reads apk's database (apk-tools, "Installed Database").
pub(super) fn apk<'a>(
    text: &'a str,
    path: &'a str,
    system: Option<&'a System>,
) -> impl Iterator<Item = (String, Package)> + 'a {
    stanzas(text, ":")
        .filter_map(move |fields| of_system("apk", "alpine", &fields, ["P", "V", "A"], path, system))
}

fn of_system(
    kind: &str,
    usual: &str,
    fields: &BTreeMap<&str, &str>,
    [name, version, architecture]: [&str; 3],
    path: &str,
    system: Option<&System>,
) -> Option<(String, Package)> {
    let field = |key: &str| fields.get(key).and_then(|value| word(value));
    let (name, version) = (field(name)?, field(version)?);
    let vendor = system.map_or(usual, |system| system.id.as_str());
    let mut qualifiers = Vec::new();
    qualifiers.extend(field(architecture).map(|own| format!("arch={}", encoded(&own))));
    let release = system.filter(|system| !system.version.is_empty());
    let release = release.map(|System { id, version }| format!("{id}-{version}"));
    qualifiers.extend(release.map(|release| format!("distro={}", encoded(&release))));
    let mark = if qualifiers.is_empty() { "" } else { "?" };
    let (in_purl, of) = (encoded(&name), encoded(&version));
    let purl = format!("pkg:{kind}/{}/{in_purl}@{of}{mark}{}", encoded(vendor), qualifiers.join("&"));
    Some((purl, Package { name, version, path: path.to_owned() }))
}

/// Returns the stanzas of a text, each by its fields; lines that go on are left out.
fn stanzas<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = BTreeMap<&'a str, &'a str>> {
    text.split("\n\n").map(move |stanza| {
        let lines = stanza.lines().filter(|line| !line.starts_with([' ', '\t']));
        // Of a field that is there twice, the first counts.
        let fields: Vec<_> = lines.filter_map(|line| line.split_once(mark)).collect();
        fields.into_iter().rev().collect()
    })
}

/// Reads the `package.json` of an installed package.
pub(super) fn node(text: &str, path: &str) -> Option<(String, Package)> {
    let document: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| word(document.get(name)?.as_str()?);
    let (name, version) = (field("name")?, field("version")?);
    // One that lies elsewhere than its name says is a part of a package, not one.
    if !path.strip_suffix("/package.json")?.ends_with(&format!("/node_modules/{name}")) {
        return None;
    }
    let purl = format!("pkg:npm/{}@{}", in_steps(&name), encoded(&version));
    Some((purl, Package { name, version, path: path.to_owned() }))
}

/// Reads the `METADATA` of an installed package (Python's "Core metadata specifications").
pub(super) fn python(text: &str, path: &str) -> Option<(String, Package)> {
    let head = text.split("\n\n").next()?;
    let fields = stanzas(head, ": ").next()?;
    let field = |key: &str| fields.get(key).and_then(|value| word(value));
    let (name, version) = (field("Name")?, field("Version")?);
    let purl = format!("pkg:pypi/{}@{}", encoded(&name.to_lowercase().replace('_', "-")), encoded(&version));
    Some((purl, Package { name, version, path: path.to_owned() }))
}

/// Returns a package of Maven.
pub(super) fn maven(text: &str, path: &str) -> Option<(String, Package)> {
    let fields: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| line.split_once('='))
        .collect();
    let field = |key: &str| fields.get(key).and_then(|value| word(value.trim()));
    let (group, name, version) = (field("groupId")?, field("artifactId")?, field("version")?);
    let purl = format!("pkg:maven/{}/{}@{}", encoded(&group), encoded(&name), encoded(&version));
    Some((purl, Package { name: format!("{group}:{name}"), version, path: path.to_owned() }))
}

/// Returns a name's steps, each encoded.
pub(super) fn in_steps(name: &str) -> String {
    name.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

/// Returns a name or version, if it can be one.
pub(super) fn word(text: &str) -> Option<String> {
    let fine = !text.is_empty() && text.len() <= WORD && !text.chars().any(char::is_control);
    fine.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_system_are_read() {
        let debian = system("NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n");
        let status = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u4\n\
            Description: words\n Package: not this\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
            Package: tzdata\nVersion: 2024a-0\n\nPackage: \u{1b}[31m\nVersion: 1\n\nVersion: 1\n";
        let purls: Vec<_> = dpkg(status, "/s", debian.as_ref()).map(|(purl, _)| purl).collect();
        assert_eq!(
            purls,
            [
                "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12",
                "pkg:deb/debian/tzdata@2024a-0?distro=debian-12",
            ]
        );
        let installed = "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\n\nP:zlib\nV:1.3-r2\nF:lib\n";
        let purls: Vec<_> = apk(installed, "/i", None).map(|(purl, _)| purl).collect();
        assert_eq!(purls, ["pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64", "pkg:apk/alpine/zlib@1.3-r2"]);
    }

    #[test]
    fn packages_of_languages_are_read() {
        let purl = |found: Option<(String, Package)>| found.map(|(purl, _)| purl);
        let text = r#"{"name":"@babel/core","version":"7.24.0"}"#;
        let path = "/app/node_modules/@babel/core/package.json";
        assert_eq!(purl(node(text, path)).as_deref(), Some("pkg:npm/%40babel/core@7.24.0"));
        assert_eq!(node(text, "/app/node_modules/@babel/core/esm/package.json"), None);
        assert_eq!(node("{", path), None);
        let text = "Metadata-Version: 2.1\nName: Flask_Login\nVersion: 0.6.3\nName: other\n\nVersion: 9\n";
        assert_eq!(purl(python(text, "/m")).as_deref(), Some("pkg:pypi/flask-login@0.6.3"));
        let text = "#made\ngroupId=org.slf4j\nartifactId=slf4j-api\nversion=2.0.9\r\n";
        assert_eq!(purl(maven(text, "/j")).as_deref(), Some("pkg:maven/org.slf4j/slf4j-api@2.0.9"));
        assert_eq!(maven("version=1", "/j"), None);
    }
}
