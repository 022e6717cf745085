//! Owners by name: looked up in a stage's `/etc/passwd` and `/etc/group` as BuildKit does
//! (`llb.WithUser`, `readUser`).

use shipway_core::{Context, Level, Result};

use super::{contents::Contents, images::Images, tree::Tree};

/// Returns the numbers of `user` or `user:group`, each a name or a number.
///
/// A user's name brings the group of its own; a number alone, the group of the same number; what is
/// empty is 0. A name that is not there is root's, as BuildKit has it, with a warning.
pub(super) async fn owner(
    cx: &Context,
    images: &Images,
    contents: &mut Contents,
    tree: &Tree,
    text: &str,
) -> Result<(u64, u64)> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let unknown = |what: &str, name: &str| {
        let text = format!("the image has no {what} `{name}`, so that root gets the files, as with BuildKit");
        cx.message(Level::Warning, text);
    };
    let mut owner = match number(user) {
        Some(number) => (number, number),
        None if user.is_empty() => (0, 0),
        None => {
            let users = contents.text(cx, images, tree, "/etc/passwd").await?;
            find(&users, user, &[2, 3]).map(|fields| (fields[0], fields[1])).unwrap_or_else(|| {
                unknown("user", user);
                (0, 0)
            })
        }
    };
    if let Some(group) = group {
        match number(group) {
            Some(number) => owner.1 = number,
            None if group.is_empty() => owner.1 = 0,
            None => {
                let groups = contents.text(cx, images, tree, "/etc/group").await?;
                match find(&groups, group, &[2]) {
                    Some(fields) => owner.1 = fields[0],
                    None => unknown("group", group),
                }
            }
        }
    }
    Ok(owner)
}

/// Returns what needs no looking up, or `None` (BuildKit, `parseUID`).
fn number(text: &str) -> Option<u64> {
    if text == "root" {
        return Some(0);
    }
    text.parse::<i32>().ok().and_then(|number| u64::try_from(number).ok())
}

/// Returns whether nothing of this owner is looked up in an image.
pub(super) fn are_numbers(owner: &str) -> bool {
    owner.splitn(2, ':').all(|part| part.is_empty() || number(part).is_some())
}

/// Returns the numbers in these fields of the first line for a name; what is no number is 0.
fn find(text: &str, name: &str, fields: &[usize]) -> Option<Vec<u64>> {
    let line = text.lines().map(str::trim).find(|line| line.split(':').next() == Some(name))?;
    let all: Vec<&str> = line.split(':').collect();
    Some(fields.iter().map(|field| all.get(*field).and_then(|text| text.parse().ok()).unwrap_or(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_name() {
        let text = "root:x:0:0::/:/bin/sh\n  app:x:7:8::/:\nbad\n\napp:x:9:9\nodd:x:a\n";
        assert_eq!(find(text, "app", &[2, 3]), Some(vec![7, 8]));
        assert_eq!(find(text, "odd", &[2, 3]), Some(vec![0, 0]));
        assert_eq!(find(text, "none", &[2]), None);
        let numbers = ["12", "-1", "a", "", "root", "4294967295"].map(number);
        assert_eq!(numbers, [Some(12), None, None, None, Some(0), None]);
        assert!(are_numbers("root:5") && are_numbers(":5") && !are_numbers("5:app") && !are_numbers("1:2:3"));
    }
}
