//! Real paths in the place of the targets of mounts.

use std::path::{Path, PathBuf};

use shipway_core::{Command, Error, Result};

/// The targets of mounts, and where they really are.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<(String, String)>);

impl Places {
    pub(super) fn add(&mut self, target: &Path, real: PathBuf) -> Result<()> {
        let wrong = || {
            Error::config(format!("nothing can be mounted at `{}`", target.display()))
                .hint("name an absolute path, such as `/workspace`")
        };
        let text = |path: &Path| path.to_str().map(|text| text.trim_end_matches('/').to_owned());
        let place = (text(target).ok_or_else(wrong)?, text(&real).ok_or_else(wrong)?);
        if !place.0.starts_with('/') {
            return Err(wrong());
        }
        if self.0.iter().any(|(one, _)| *one == place.0) {
            return Err(Error::config(format!("two things are mounted at `{}`", target.display())));
        }
        self.0.push(place);
        // What is mounted inside of another counts first.
        self.0.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        Ok(())
    }

    /// Returns where a path is, if it is below a mount.
    pub(super) fn find(&self, path: &Path) -> Option<PathBuf> {
        self.0.iter().find_map(|(target, real)| Some(Path::new(real).join(path.strip_prefix(target).ok()?)))
    }

    pub(super) fn put_into(&self, command: &mut Command) {
        let texts =
            std::iter::once(&mut command.program).chain(&mut command.args).chain(command.env.values_mut());
        texts.for_each(|text| *text = self.put(text));
        if let Some(dir) = &mut command.dir
            && let Some(place) = self.find(dir)
        {
            *dir = place;
        }
    }

    /// Puts real paths into a text, wherever a target stands in it as a whole path or the beginning of
    /// one.
    fn put(&self, text: &str) -> String {
        let part = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        let mut put = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let begins = !put.ends_with(|before: char| part(before) || before == '/');
            let found = self.0.iter().filter(|_| begins && c == '/').find_map(|(target, real)| {
                let after = rest.strip_prefix(target.as_str())?;
                (!after.starts_with(part)).then_some((after, real))
            });
            match found {
                Some((after, real)) => {
                    put.push_str(real);
                    rest = after;
                }
                None => {
                    put.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        put
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_replaced_where_they_stand_as_paths() {
        let mut places = Places::default();
        places.add(Path::new("/w"), PathBuf::from("/tmp/1")).unwrap();
        places.add(Path::new("/w/key"), PathBuf::from("/tmp/2")).unwrap();
        for (text, put) in [
            ("/w", "/tmp/1"),
            ("/w/a b", "/tmp/1/a b"),
            ("--file=/w/x:/w", "--file=/tmp/1/x:/tmp/1"),
            ("cat '/w/key' > /w/keys", "cat '/tmp/2' > /tmp/1/keys"),
            ("/www /a/w /w.txt a/w //w", "/www /a/w /w.txt a/w //w"),
            ("ä/w ä /w", "ä/w ä /tmp/1"),
        ] {
            assert_eq!(places.put(text), put);
        }
        assert_eq!(places.find(Path::new("/w/key")), Some(PathBuf::from("/tmp/2")));
        assert_eq!(places.find(Path::new("/www")), None);
        assert!(places.add(Path::new("/w/"), PathBuf::new()).is_err());
        assert!(places.add(Path::new("w"), PathBuf::new()).is_err());
    }
}
