//! Sprig's functions (sprig 3.3), those whose answer follows from their arguments alone.

mod arguments;
mod bounds;
mod dates;
mod decimals;
mod digests;
mod json;
mod lists;
mod numbers;
mod paths;
mod patterns;
mod strings;
mod urls;
mod values;
mod versions;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use gotmpl::{FuncMap, TemplateError, Value};

use self::arguments::Arguments;
pub(crate) use self::{
    bounds::{begin, unprinted},
    json::value as json_value,
};
use crate::Given;

/// The answer of a function, or what is wrong with its arguments.
type Answer = Result<Value, String>;

/// A function: its name, how many arguments it takes at least and at most, and what it does.
pub(crate) struct Function {
    name: &'static str,
    least: usize,
    most: usize,
    call: fn(&Arguments) -> Answer,
}

/// As many as there are.
const ANY: usize = usize::MAX;

/// What no function's answer may be larger than.
const MAX_TEXT: usize = 1024 * 1024;
const MAX_ITEMS: usize = 100_000;

const fn function(name: &'static str, least: usize, most: usize, call: fn(&Arguments) -> Answer) -> Function {
    Function { name, least, most, call }
}

fn all() -> impl Iterator<Item = &'static Function> {
    let lists = [
        strings::ALL,
        values::ALL,
        numbers::ALL,
        lists::ALL,
        patterns::ALL,
        paths::ALL,
        dates::ALL,
        digests::ALL,
        json::ALL,
        words::ALL,
        versions::ALL,
        urls::ALL,
        decimals::ALL,
    ];
    lists.into_iter().flatten()
}

/// Other names of functions, which refuse what is wrong anyway and know one kind of paths.
const ALSO: [(&str, &str); 19] = [
    ("mustAppend", "append"),
    ("mustPush", "push"),
    ("mustPrepend", "prepend"),
    ("mustChunk", "chunk"),
    ("mustCompact", "compact"),
    ("mustFirst", "first"),
    ("mustLast", "last"),
    ("mustRest", "rest"),
    ("mustInitial", "initial"),
    ("mustReverse", "reverse"),
    ("mustUniq", "uniq"),
    ("mustWithout", "without"),
    ("mustHas", "has"),
    ("mustSlice", "slice"),
    ("osBase", "base"),
    ("osClean", "clean"),
    ("osDir", "dir"),
    ("osExt", "ext"),
    ("osIsAbs", "isAbs"),
];

/// Returns the function of this name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let name = ALSO.iter().find(|(other, _)| *other == name).map_or(name, |(_, known)| known);
    all().find(|function| function.name == name)
}

/// Returns the names of all functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|function| function.name).chain(ALSO.map(|(other, _)| other))
}

/// Returns why a function that sprig has is not here.
pub(crate) fn refused(name: &str) -> Option<&'static str> {
    match name {
        "env" | "expandenv" => Some("a variable of the environment is `{{.NAME}}`"),
        "cmd" | "getHostByName" => Some("a template runs no programs and asks no network"),
        "now" | "ago" | "toDate" | "mustToDate" | "duration" | "durationRound" => {
            Some("a template has no clock here; the `dateTime` tagger has")
        }
        "set" | "unset" | "merge" | "mergeOverwrite" | "mustMerge" | "mustMergeOverwrite" => {
            Some("a dict does not change; make one with `dict`, `pick` or `omit`")
        }
        "genPrivateKey"
        | "genCA"
        | "genCAWithKey"
        | "genSelfSignedCert"
        | "genSelfSignedCertWithKey"
        | "genSignedCert"
        | "genSignedCertWithKey"
        | "buildCustomCert"
        | "derivePassword"
        | "bcrypt"
        | "htpasswd"
        | "encryptAES"
        | "decryptAES" => Some("a template makes no keys and passwords; give them by a secret"),
        "uuidv4" | "shuffle" | "randInt" | "randAlpha" | "randAlphaNum" | "randAscii" | "randNumeric"
        | "randBytes" => {
            Some("a template gives the same text for the same values, so nothing in it is random")
        }
        _ => None,
    }
}

/// Returns all functions as the engine takes them, with those that the caller gives.
pub(crate) fn functions(given: &BTreeMap<&'static str, Given>) -> FuncMap {
    let wrap = |function: &'static Function| -> gotmpl::ValueFunc {
        Arc::new(move |values: &[Value]| {
            let Function { name, least, most, call } = function;
            if !(*least..=*most).contains(&values.len()) {
                let count = values.len();
                return Err(TemplateError::Exec(format!("`{name}` does not take {count} arguments")));
            }
            let counted = bounds::count(values);
            counted
                .and_then(|()| call(&Arguments(values)))
                .map_err(|why| TemplateError::Exec(format!("`{name}`: {why}")))
        })
    };
    let wrap_given = |name: &'static str, function: &Given| -> gotmpl::ValueFunc {
        let function = Given::clone(function);
        Arc::new(move |values: &[Value]| {
            let arguments = Arguments(values);
            bounds::count(values).map_err(|why| TemplateError::Exec(format!("`{name}`: {why}")))?;
            let texts: Result<Vec<&str>, String> =
                (0..values.len()).map(|index| arguments.text(index)).collect();
            let answer = texts.and_then(|texts| function(&texts)).map(Value::from);
            answer.map_err(|why| TemplateError::Exec(format!("`{name}`: {why}")))
        })
    };
    let known = all().map(|function| (function.name.to_owned(), wrap(function)));
    let also = ALSO.iter().filter_map(|(other, name)| Some(((*other).to_owned(), wrap(find(name)?))));
    known
        .chain(also)
        .chain(bounds::TEXTS.map(|name| (name.to_owned(), bounds::bounded(name))))
        .chain(given.iter().map(|(name, function)| ((*name).to_owned(), wrap_given(name, function))))
        .collect()
}

fn text(text: impl Into<String>) -> Answer {
    Ok(Value::from(text.into()))
}

fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::from(items.into_iter().map(Into::into).collect::<Vec<Value>>())
}
