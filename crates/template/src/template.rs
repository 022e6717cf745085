//! A template: read once, rendered with values.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::Arc,
};

use gotmpl::{
    MissingKey, TemplateError, Value,
    parse::{CommandNode, Expr, ListNode, Node, Parser, PipeNode, Pos},
};
use serde::Serialize;
use shipway_core::{Error, Result, did_you_mean};

use crate::sprig;

/// What a template may print, so that a loop in one cannot fill the memory.
const MAX_OUTPUT: usize = 1024 * 1024;
const MAX_ITERATIONS: u64 = 100_000;
const MAX_TEXT: usize = 1024 * 1024;

/// Functions that Go's own package brings along (text/template, "Functions").
const BUILTINS: [&str; 20] = [
    "and", "call", "html", "index", "slice", "js", "len", "not", "or", "print", "printf", "println",
    "urlquery", "eq", "ge", "gt", "le", "lt", "ne", "break",
];

/// A Go template with sprig's functions.
///
/// ```
/// use shipway_template::Template;
///
/// let template = Template::parse(r#"{{.BRANCH | replace "/" "-"}}-{{default "0" .BUILD}}"#)?;
/// assert_eq!(template.render([("BRANCH", "feature/x"), ("BUILD", "")])?, "feature-x-0");
/// assert_eq!(template.render([("BRANCH", "main")])?, "main-0");
/// let error = template.render([("BUILD", "7")]).expect_err("not declared");
/// assert!(error.to_string().contains("`BRANCH` is not defined at line 1, column 3"), "{error}");
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Template {
    text: Arc<str>,
    inner: Arc<gotmpl::Template>,
    /// Where a field of something is asked for first, by its name.
    fields: BTreeMap<String, usize>,
    /// The variables that are asked of the values.
    variables: BTreeSet<String>,
    functions: BTreeSet<String>,
    whole: bool,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

/// A function that a caller gives to templates: texts in, a text or what is wrong out.
pub type Given = Arc<dyn Fn(&[&str]) -> std::result::Result<String, String> + Send + Sync>;

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// `Config` with the line and column of what is wrong: the syntax, or a function that there is not.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_with(text, &BTreeMap::new())
    }

    /// Reads a template that may call these functions beside the known ones.
    ///
    /// ```
    /// use std::{collections::BTreeMap, sync::Arc};
    ///
    /// use shipway_template::{Given, Template};
    ///
    /// let cmd: Given = Arc::new(|words| Ok(format!("what `{}` printed", words.join(" "))));
    /// let template = Template::parse_with(r#"{{cmd "git" "describe"}}"#, &BTreeMap::from([("cmd", cmd)]))?;
    /// assert_eq!(template.render([])?, "what `git describe` printed");
    /// # Ok::<(), shipway_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with(text: &str, given: &BTreeMap<&'static str, Given>) -> Result<Self> {
        if text.len() > MAX_TEXT {
            return Err(Error::config(format!("a template has more than {MAX_TEXT} bytes")));
        }
        let broken = |error: TemplateError| match error {
            TemplateError::Parse { line, col, message, .. }
            | TemplateError::Lex { line, col, message, .. } => {
                Error::config(format!("{message} at line {line}, column {col} of the template `{text}`"))
            }
            other => Error::config(format!("{other} in the template `{text}`")),
        };
        let (body, definitions) = Parser::new(text, "{{", "}}").and_then(Parser::parse).map_err(broken)?;
        if !reaches_its_end(text) {
            return Err(Error::config(format!(
                "an `{{{{end}}}}` or `{{{{else}}}}` too many in the template `{text}`"
            )));
        }
        let mut seen = Seen::default();
        seen.list(&body);
        for definition in &definitions {
            seen.list(&definition.body);
        }
        for (function, offset) in &seen.functions {
            let function = function.as_str();
            if BUILTINS.contains(&function) || sprig::find(function).is_some() || given.contains_key(function)
            {
                continue;
            }
            let place = place(text, *offset);
            let error = Error::config(format!(
                "there is no function `{function}` at {place} of the template `{text}`"
            ));
            return Err(match (sprig::refused(function), did_you_mean(function, sprig::names())) {
                (Some(why), _) => error.hint(why),
                (None, Some(near)) => error.hint(format!("did you mean `{near}`?")),
                (None, None) => error.hint("Go's own functions and most of sprig's are there"),
            });
        }
        let inner = gotmpl::Template::new("template")
            .missing_key(MissingKey::Invalid)
            .max_range_iters(MAX_ITERATIONS)
            .funcs(sprig::functions(given))
            .parse(text)
            .map_err(broken)?;
        let Seen { functions, fields, variables, whole } = seen;
        let functions = functions.into_iter().map(|(name, _)| name).collect();
        Ok(Self { text: text.into(), inner: Arc::new(inner), fields, variables, functions, whole })
    }

    /// Returns the names of the variables that the template may ask for, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(String::as_str)
    }

    /// Returns whether the template may look at the values as a whole, as `{{index . "NAME"}}` does, and not only at
    /// its [variables](Self::variables).
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.whole
    }

    /// Returns the names of the functions that the template may call, in order.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(String::as_str)
    }

    /// Renders the template with these variables.
    ///
    /// A variable that is not among them is nothing to what asks whether there is something, such as
    /// `{{default "x" .GONE}}` and `{{if .GONE}}`; where its text is needed, that is an error. (Go's option
    /// `missingkey=invalid`, with `<no value>` refused, as Skaffold renders tags.)
    ///
    /// # Errors
    /// `Config` when the text of a variable that is not among them is needed, with its line and column; when a
    /// function refuses its arguments; when more than 1 MiB comes out. No variable's value is told.
    pub fn render<'a>(&self, values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<String> {
        let mut values: BTreeMap<Arc<str>, Value> =
            values.into_iter().map(|(name, value)| (name.into(), Value::from(value))).collect();
        let rendered = self.execute(&Value::from(values.clone()));
        let before = Trouble::of(&rendered);
        let mut missing: Vec<&str> = self.variables().filter(|name| !values.contains_key(*name)).collect();
        if before != Trouble::None && !missing.is_empty() {
            missing.sort_by_key(|name| self.fields.get(*name));
            let known: Vec<Arc<str>> = values.keys().cloned().collect();
            // Which one it is shows when the first so many have a text: the template fares better with it.
            let mut helps = |count: usize| {
                missing.iter().for_each(|name| drop(values.remove(*name)));
                values.extend(missing[..count].iter().map(|name| (Arc::from(*name), Value::from(""))));
                Trouble::of(&self.execute(&Value::from(values.clone()))) < before
            };
            let (mut without, mut with) = (0, missing.len());
            if helps(with) {
                while with - without > 1 {
                    let middle = without.midpoint(with);
                    if helps(middle) { with = middle } else { without = middle }
                }
                return Err(self.undefined(missing[with - 1], &known));
            }
        }
        rendered
    }

    /// Renders the template with any data, as its form in JSON has it: `{{range .Builds}}{{.ImageName}}{{end}}`.
    ///
    /// # Errors
    /// `Config` when a function refuses its arguments, what comes out has more than 1 MiB, or a field is printed that is not
    /// there; `Internal` when the data cannot be JSON.
    pub fn render_data(&self, data: &impl Serialize) -> Result<String> {
        let json = serde_json::to_value(data)
            .map_err(|error| Error::internal("a template's data cannot be JSON").source(error))?;
        let rendered = self.execute(&sprig::json_value(json));
        if let Trouble::Gaps(_) = Trouble::of(&rendered) {
            let text = &self.text;
            return Err(Error::config(format!(
                "a field that is not there is printed by the template `{text}`"
            ))
            .hint("look at the names of the data's fields"));
        }
        rendered
    }

    fn undefined(&self, name: &str, known: &[Arc<str>]) -> Error {
        let text = &self.text;
        let place = self.fields.get(name).map_or(String::new(), |at| format!(" at {}", place(text, *at)));
        let error = Error::config(format!("`{name}` is not defined{place} of the template `{text}`"));
        match did_you_mean(name, known.iter().map(AsRef::as_ref)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("define the variable, or take it out"),
        }
    }

    fn execute(&self, values: &Value) -> Result<String> {
        let text = &self.text;
        let mut output = Bounded(Vec::new());
        sprig::begin();
        self.inner.execute(&mut output, values).map_err(|error| match error {
            TemplateError::Exec(message) => Error::config(format!("{message} in the template `{text}`")),
            other => Error::config(format!("{other} in the template `{text}`")),
        })?;
        // Go's text is bytes; what was cut in the middle of a character is no text.
        let rendered = String::from_utf8(output.0)
            .map_err(|_| Error::config(format!("what comes out of the template `{text}` is not UTF-8")))?;
        match sprig::unprinted(&rendered) {
            Some(why) => Err(Error::config(format!("{why} in the template `{text}`"))),
            None => Ok(rendered),
        }
    }
}

/// What is wrong with what comes out, from the least on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    None,
    /// So many times there is nothing where a text should be.
    Gaps(usize),
    Error,
}

impl Trouble {
    fn of(rendered: &Result<String>) -> Self {
        match rendered {
            Err(_) => Self::Error,
            // How Go prints nothing, and how `printf` does.
            Ok(text) => match text.matches("<no value>").count() + text.matches("(<nil>)").count() {
                0 => Self::None,
                gaps => Self::Gaps(gaps),
            },
        }
    }
}

/// Returns whether the parser comes to the end of the text: it stops at an `{{end}}` that ends nothing, and
/// says nothing, where Go's refuses it.
fn reaches_its_end(text: &str) -> bool {
    let marked = format!("{text}{{{{/**/}}}}{{{{ nil | print }}}}");
    let Ok((body, _)) = Parser::new(&marked, "{{", "}}").and_then(Parser::parse) else { return false };
    matches!(body.nodes.last(), Some(Node::Action(action)) if action.pos.offset >= text.len())
}

/// Keeps what is written, up to the bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other(format!("more than {MAX_OUTPUT} bytes come out")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a place as people count: from 1, in characters.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

/// What a template asks for, found by walking it.
#[derive(Default)]
struct Seen {
    functions: Vec<(String, usize)>,
    fields: BTreeMap<String, usize>,
    variables: BTreeSet<String>,
    /// Whether `.` or `$` stands alone.
    whole: bool,
}

impl Seen {
    fn list(&mut self, list: &ListNode) {
        for node in &list.nodes {
            match node {
                Node::List(list) => self.list(list),
                Node::Action(action) => self.pipe(&action.pipe),
                Node::If(node) => self.branch(&node.pipe, &node.body, node.else_body.as_ref()),
                Node::With(node) => self.branch(&node.pipe, &node.body, node.else_body.as_ref()),
                Node::Range(node) => self.branch(&node.pipe, &node.body, node.else_body.as_ref()),
                Node::Template(node) => node.pipe.iter().for_each(|pipe| self.pipe(pipe)),
                Node::Define(node) => self.list(&node.body),
                Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
            }
        }
    }

    fn branch(&mut self, pipe: &PipeNode, body: &ListNode, otherwise: Option<&ListNode>) {
        self.pipe(pipe);
        self.list(body);
        otherwise.into_iter().for_each(|body| self.list(body));
    }

    fn pipe(&mut self, pipe: &PipeNode) {
        for CommandNode { args, .. } in &pipe.commands {
            args.iter().for_each(|expression| self.expression(expression));
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Field(at, names) => {
                self.variables.extend(names.first().map(ToString::to_string));
                self.names(*at, names);
            }
            Expr::Variable(at, variable, names) => {
                if variable.as_str() == "$" {
                    self.variables.extend(names.first().map(ToString::to_string));
                    self.whole |= names.is_empty();
                }
                self.names(*at, names);
            }
            Expr::Identifier(at, name) => self.functions.push((name.to_string(), at.offset)),
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Chain(at, inner, names) => {
                self.expression(inner);
                self.names(*at, names);
            }
            Expr::Dot(_) => self.whole = true,
            Expr::String(..) | Expr::Number(..) | Expr::Bool(..) | Expr::Nil(_) => {}
        }
    }

    fn names(&mut self, at: Pos, names: &[impl ToString]) {
        for name in names {
            self.fields.entry(name.to_string()).or_insert(at.offset);
        }
    }
}
