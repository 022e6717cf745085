//! What one rendering may do, so that nobody's template takes the machine: how much its functions are given, and how
//! deep values lie in each other.

use std::{cell::Cell, sync::Arc};

use gotmpl::{TemplateError, Value, ValueFunc};

use super::MAX_TEXT;

/// Values, and pieces of texts of [`PIECE`] bytes, that functions may be given in one rendering.
const MOST: u64 = 500_000;
const PIECE: usize = 32;

/// How deep values may lie in each other: what looks at them calls itself for each step.
const DEEPEST: usize = 64;

/// What a call costs of the engine's own functions that make texts; each is a rendering of its own here.
const OF_THE_ENGINE: u64 = 64;

/// The key in a dict of what stands for it as a whole, which is no text: where a text of the dict is needed, that is an
/// error. No template can ask for the key as it asks for a field.
pub(super) const UNPRINTED: &str = "";
const WHOLE_VERSION: &str = "ask for a part of the version, such as `(semver .VERSION).String`";

/// Returns why a text that came out is none.
pub(crate) fn unprinted(text: &str) -> Option<&'static str> {
    text.contains("map[:<func> ").then_some(WHOLE_VERSION)
}

thread_local! {
    /// What is left for the rendering that goes on in this thread.
    static LEFT: Cell<u64> = const { Cell::new(MOST) };
}

/// Begins a rendering.
pub(crate) fn begin() {
    LEFT.set(MOST);
}

/// Counts what a function is given.
pub(super) fn count(values: &[Value]) -> Result<(), String> {
    spend(1)?;
    values.iter().try_for_each(|value| look(value, DEEPEST))
}

/// Takes what something costs from what the rendering has left.
pub(super) fn spend(cost: u64) -> Result<(), String> {
    let left = LEFT.get().checked_sub(cost);
    LEFT.set(left.unwrap_or(0));
    left.map(drop).ok_or_else(|| "the template does more than one may".to_owned())
}

fn look(value: &Value, deepest: usize) -> Result<(), String> {
    let Some(below) = deepest.checked_sub(1) else {
        return Err(format!("more than {DEEPEST} values lie in each other"));
    };
    match value {
        Value::String(text) => spend(1 + (text.len() / PIECE) as u64),
        Value::List(items) => spend(1).and_then(|()| items.iter().try_for_each(|item| look(item, below))),
        Value::Map(entries) => {
            spend(1).and_then(|()| entries.values().try_for_each(|value| look(value, below)))
        }
        Value::Function(_) => Err(WHOLE_VERSION.to_owned()),
        _ => spend(1),
    }
}

/// The engine's own functions that make a text of what they are given; it bounds none of them.
pub(super) const TEXTS: [&str; 6] = ["print", "printf", "println", "html", "js", "urlquery"];

/// Returns one of them with bounds.
pub(super) fn bounded(name: &'static str) -> ValueFunc {
    Arc::new(move |values: &[Value]| {
        let failed = |why: String| TemplateError::Exec(format!("`{name}`: {why}"));
        count(values).and_then(|()| spend(OF_THE_ENGINE)).map_err(failed)?;
        let size: usize = values.iter().map(|value| value.to_string().len()).sum();
        // A verb may pad to 65,535 characters.
        let padded = |format: &Value| format.to_string().matches('%').count() > 64;
        if size > MAX_TEXT || name == "printf" && values.first().is_some_and(padded) {
            return Err(failed(format!("more than {MAX_TEXT} bytes come out")));
        }
        // The engine has no other way to its functions.
        let arguments: String = (0..values.len()).map(|at| format!(" (index . {at})")).collect();
        let call = gotmpl::Template::new(name).parse(&format!("{{{{{name}{arguments}}}}}"))?;
        Ok(Value::from(call.execute_to_string(&Value::from(values.to_vec()))?))
    })
}
