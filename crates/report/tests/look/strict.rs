//! A reader of markup that takes nothing but what the program means to write.

/// The elements that there may be.
const ELEMENTS: [&str; 42] = [
    "html", "head", "meta", "title", "style", "body", "header", "div", "h1", "h2", "h3", "span", "ul", "li",
    "b", "section", "p", "a", "pre", "table", "tr", "th", "td", "code", "svg", "defs", "marker", "path", "g",
    "rect", "text", "line", "details", "summary", "dl", "dt", "dd", "input", "button", "footer", "script",
    "i",
];
/// The attributes that there may be: none of them holds a script, and none but `href` a place.
const ATTRIBUTES: [&str; 43] = [
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "id",
    "href",
    "title",
    "xmlns",
    "role",
    "width",
    "height",
    "viewBox",
    "d",
    "marker-end",
    "x",
    "y",
    "rx",
    "refX",
    "refY",
    "markerWidth",
    "markerHeight",
    "markerUnits",
    "orient",
    "x1",
    "x2",
    "y1",
    "y2",
    "preserveAspectRatio",
    "aria-hidden",
    "aria-label",
    "hidden",
    "type",
    "placeholder",
    "open",
    "cx",
    "cy",
    "r",
    "points",
    "fill",
    "stroke",
    "opacity",
];

/// Returns the names of all elements, or what is wrong.
pub(crate) fn elements(markup: &str) -> Result<Vec<String>, String> {
    let mut rest = markup.strip_prefix("<!DOCTYPE html>").unwrap_or(markup);
    let (mut open, mut elements): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    while let Some(at) = rest.find('<') {
        text(&rest[..at])?;
        rest = &rest[at + 1..];
        let end = rest.find('>').ok_or("an element has no end")?;
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let (tag, alone) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if !ELEMENTS.contains(&name) {
            return Err(format!("<{name}> was not meant"));
        }
        attributes_of(attributes)?;
        elements.push(name.to_owned());
        if ["style", "script"].contains(&name) {
            // What is in there is the program's own; the policy knows it by its hash.
            let end = rest.find("</").ok_or("a style has no end")?;
            rest = &rest[end..];
        }
        if !alone {
            open.push(name.to_owned());
        }
    }
    text(rest)?;
    if open.is_empty() { Ok(elements) } else { Err(format!("{open:?} are not closed")) }
}

fn attributes_of(mut rest: &str) -> Result<(), String> {
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").ok_or_else(|| format!("`{rest}` is no attribute"))?;
        let (value, after) = after.split_once('"').ok_or_else(|| format!("`{after}` has no end"))?;
        if !ATTRIBUTES.contains(&name) {
            return Err(format!("the attribute `{name}` was not meant"));
        }
        if name == "href" && value.strip_prefix("#task-").is_none_or(|place| place.parse::<usize>().is_err())
        {
            return Err(format!("a link leads to `{value}`"));
        }
        text(value)?;
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Ok(())
}

/// Checks what is between elements and in attributes.
fn text(text: &str) -> Result<(), String> {
    let bad = |c: char| {
        matches!(c, '<' | '>' | '"' | '\'')
            || (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
    };
    if let Some(c) = text.chars().find(|c| bad(*c)) {
        return Err(format!("{c:?} is in the text `{text}`"));
    }
    for after in text.split('&').skip(1) {
        if !["lt;", "gt;", "amp;", "quot;", "#39;"].iter().any(|entity| after.starts_with(entity)) {
            return Err(format!("`&{after}` is no entity of ours"));
        }
    }
    Ok(())
}

#[test]
fn the_reader_is_strict() {
    for bad in [
        "<p>a</p><img/>",
        "<p onclick=\"x\">a</p>",
        "<p class=x>a</p>",
        "<p>a",
        "<p>a</b></p>",
        "<p>a > b</p>",
        "<p>a\u{0}</p>",
        "<p>\u{202e}</p>",
        "<p>&x;</p>",
        "<a href=\"javascript:x\">a</a>",
        "<p class=\"a'b\">a</p>",
    ] {
        assert!(elements(bad).is_err(), "{bad}");
    }
    assert_eq!(elements("<!DOCTYPE html>\n<p class=\"a\">&lt;<b>x</b></p>").unwrap(), ["p", "b"]);
}
