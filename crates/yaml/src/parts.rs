//! Where a text's documents are, without reading them.

use std::ops::Range;

/// Returns the parts of a text that `---` parts from one another, without these marks: a line that begins with
/// one is no part of a document wherever it stands (YAML 1.2.2, section 9.1.2). A part holds one document or,
/// when it is blank or has comments alone, none; with directives (`%`) the text is one part.
///
/// ```
/// let text = "a: 1\n---\nb: 2\n--- {c: 3}\n";
/// let parts: Vec<&str> = shipway_yaml::parts(text).into_iter().map(|part| &text[part]).collect();
/// assert_eq!(parts, ["a: 1\n", "b: 2\n", " {c: 3}\n"]);
/// ```
#[must_use]
pub fn parts(text: &str) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        // What a directive says is for the documents after its mark.
        if line.starts_with('%') {
            return std::iter::once(0..text.len()).collect();
        }
        if let Some(rest) = line.strip_prefix("---")
            && rest.chars().next().is_none_or(char::is_whitespace)
        {
            parts.push(start..at);
            // A document may begin in the same line.
            start = if rest.trim().is_empty() { at + line.len() } else { at + 3 };
        }
        at += line.len();
    }
    parts.push(start..at);
    parts
}
