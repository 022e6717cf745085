//! A plan in Graphviz' language.

use std::fmt::Write as _;

use shipway_core::Plan;

use crate::{markup, plan_graph::Prospect};

/// Returns the plan in Graphviz' language.
pub(crate) fn write(plan: &Plan, prospects: &[(Prospect, String)]) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(out, "digraph {} {{", quoted(&plan.pipeline));
    out.push_str("  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"monospace\", fontsize=11];\n");
    for (task, (prospect, said)) in plan.tasks.iter().zip(prospects) {
        let style = match prospect {
            Prospect::Runs => "style=\"rounded,bold\"",
            Prospect::Asks => "style=\"rounded,bold\", shape=diamond",
            Prospect::Reuses => "style=\"rounded\", color=gray50",
            Prospect::Open | Prospect::AfterFailure => "style=\"rounded,dashed\", color=gray50",
        };
        let (id, label) = (quoted(task.id.as_str()), label(&[task.id.as_str(), &markup::cut(said, 200)]));
        let _ = writeln!(out, "  {id} [label={label}, {style}];");
    }
    for task in &plan.tasks {
        for need in &task.needs {
            let _ = writeln!(out, "  {} -> {};", quoted(need.as_str()), quoted(task.id.as_str()));
        }
    }
    out.push_str("}\n");
    out
}

/// Returns a name between quotation marks. Backslashes are doubled: the last one would quote the mark.
fn quoted(name: &str) -> String {
    let mut out = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c => markup::push_visible(c, &mut out),
        }
    }
    out.push('"');
    out
}

/// Returns a label of these lines: Graphviz reads HTML's entities in it, and its own sequences after a backslash.
fn label(lines: &[&str]) -> String {
    let mut out = String::from("\"");
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            out.push_str("\\n");
        }
        for c in line.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '&' => out.push_str("&amp;"),
                '\n' => out.push(' '),
                c => markup::push_visible(c, &mut out),
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_its_quotation_marks() {
        for (name, expected) in [
            ("web", r#""web""#),
            (r#"a"b"#, r#""a\"b""#),
            (r"a\", r#""a\\""#),
            (r#"\"]; x"#, r#""\\\"]; x""#),
            ("<b>", r#""<b>""#),
            ("\u{1b}\u{202e}", "\"\u{fffd}[U+202E]\""),
        ] {
            assert_eq!(quoted(name), expected, "{name:?}");
        }
        assert_eq!(label(&["a&lt;\"\\N", "b\nc"]), r#""a&amp;lt;\"\\N\nb c""#);
    }
}
