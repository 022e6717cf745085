//! Maven's packages in Java archives, which name them, and in the archives within those.

use super::{Package, packages::maven, zip::Zip};

/// How deep archives are looked into: a `war` in an `ear` with its `jar`s.
const DEPTH: usize = 3;
/// The most bytes that are unpacked of one file.
const BUDGET: u64 = 512 * 1024 * 1024;

/// Returns whether a path is a Java archive's.
pub(super) fn is_archive(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, kind)| matches!(kind, "jar" | "war" | "ear"))
}

/// Returns the packages of an archive; `None` when there is something in it that cannot be read.
pub(super) fn packages(bytes: &[u8], path: &str) -> (Vec<(String, Package)>, bool) {
    let (mut found, mut budget) = (Vec::new(), BUDGET);
    let whole = look(bytes, path, DEPTH, &mut budget, &mut found);
    (found, whole)
}

fn look(
    bytes: &[u8],
    path: &str,
    depth: usize,
    budget: &mut u64,
    found: &mut Vec<(String, Package)>,
) -> bool {
    let Some(zip) = Zip::open(bytes) else { return false };
    let mut whole = true;
    for entry in zip.entries() {
        let steps: Vec<&str> = entry.name.split('/').collect();
        if matches!(steps[..], ["META-INF", "maven", _, _, "pom.properties"]) {
            let text = zip.unpack(&entry, budget);
            let text = text.and_then(|text| String::from_utf8(text).ok());
            whole &= text.is_some();
            found.extend(text.and_then(|text| maven(&text, path)));
        } else if is_archive(entry.name) {
            let inner = if depth > 1 { zip.unpack(&entry, budget) } else { None };
            whole &= inner.is_some_and(|inner| look(&inner, path, depth - 1, budget, found));
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::{super::zip::tests::archive, *};

    fn properties(name: &str) -> String {
        format!("groupId=org.example\nartifactId={name}\nversion=1.0\n")
    }

    #[test]
    fn packages_are_found_in_archives_within_archives() {
        let (one, two) = (properties("one"), properties("two"));
        let inner = archive(&[("META-INF/maven/org.example/one/pom.properties", one.as_bytes())]);
        let outer = archive(&[
            ("META-INF/maven/org.example/two/pom.properties", two.as_bytes()),
            ("BOOT-INF/lib/one.jar", &inner),
            ("META-INF/maven/org.example/three/pom.xml", b"<project/>"),
        ]);
        let (found, whole) = packages(&outer, "/app.jar");
        let purls: Vec<_> = found.iter().map(|(purl, _)| purl.as_str()).collect();
        assert_eq!(purls, ["pkg:maven/org.example/two@1.0", "pkg:maven/org.example/one@1.0"]);
        assert!(whole);
        let deep = (0..5).fold(inner, |inner, _| archive(&[("a.jar", &inner)]));
        assert!(!packages(&deep, "/deep.jar").1);
        assert!(!packages(b"no archive", "/x.jar").1);
    }
}
