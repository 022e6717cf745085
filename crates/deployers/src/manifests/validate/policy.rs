//! Policies: expressions in CEL of what every object must be, as Kubernetes' own admission policies are.

use std::{collections::HashMap, fmt, sync::Arc, thread};

use cel::{
    Program, Value as Cel,
    common::ast::{EntryExpr, Expr},
};
use serde_json::Value;
use shipway_core::{Error, ErrorKind, Result};

use super::{super::piece::Piece, Wrong};

/// The longest expression, in bytes.
const LONGEST: usize = 4096;

/// The most steps of one object: of what it holds, once more for each `all`, `exists`, `map` or `filter` within another one.
const MOST_STEPS: u64 = 20_000_000;

/// The most that calls, operators and brackets are within one another.
const DEEPEST: usize = 200;

/// The stack on which expressions are read and decided: the parser's generated code takes 50 KB a bracket where it is not
/// optimised, and a thread's own 2 MB end at forty.
const STACK: usize = 64 << 20;

/// The variable that is the object.
const OBJECT: &str = "object";

/// An expression that must be true of every object.
#[derive(Clone)]
pub(in crate::manifests) struct Policy {
    name: String,
    expression: String,
    message: Option<String>,
    program: Arc<Program>,
    /// How deep what goes through lists is within what goes through lists.
    loops: u32,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("expression", &self.expression)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// `Config` for what is no expression, or is about anything but `object`.
    pub(in crate::manifests) fn new(name: &str, expression: &str, message: Option<&str>) -> Result<Self> {
        let wrong = |what: String| Error::config(format!("the policy `{name}` {what}"));
        if expression.len() > LONGEST {
            return Err(wrong(format!("has more than {LONGEST} bytes")));
        }
        let (program, loops) = roomy(|| Self::read(name, expression))??;
        let message = message.map(str::to_owned);
        let (name, expression) = (name.to_owned(), expression.to_owned());
        Ok(Self { name, expression, message, program: Arc::new(program), loops })
    }

    fn read(name: &str, expression: &str) -> Result<(Program, u32)> {
        let wrong = |what: String| Error::config(format!("the policy `{name}` {what}"));
        let program = Program::compile(expression).map_err(|errors| {
            let (line, column, why) = match errors.errors.first() {
                Some(error) => (error.pos.0, error.pos.1 + 1, error.msg.as_str()),
                None => (1, 1, "it cannot be read"),
            };
            let why: String = why.lines().next().unwrap_or_default().chars().take(200).collect();
            wrong(format!("is no expression in CEL, at line {line}, column {column}")).note(why)
        })?;
        match look(&program.expression().expr, &mut vec![OBJECT], DEEPEST) {
            Ok(loops) => Ok((program, loops)),
            Err(None) => Err(wrong(format!("has more than {DEEPEST} parts within one another"))),
            Err(Some(unknown)) => Err(wrong(format!("knows no `{unknown}`"))
                .hint("an expression is about `object`, such as `object.kind`")),
        }
    }

    /// Returns the policy as a fact that decides what is rendered.
    pub(in crate::manifests) fn fact(&self) -> (String, String) {
        (format!("policy {}", self.name), self.expression.clone())
    }

    /// Returns what is wrong with an object.
    pub(super) fn check(&self, piece: &Piece, object: &Value) -> Option<Wrong> {
        let wrong = |text: String| Some(Wrong::new(piece, &Vec::new(), text));
        let steps = u64::from(nodes(object)).checked_pow(self.loops).unwrap_or(u64::MAX);
        if steps.saturating_mul(1 + self.expression.len() as u64 / 64) > MOST_STEPS {
            return wrong(format!("the policy `{}` takes too long for it: it is too large", self.name));
        }
        let mut context = cel::Context::default();
        context.add_variable_from_value(OBJECT, cel_value(object));
        // What an error quotes may be a secret's.
        let is_secret = piece.id().kind == "Secret";
        match self.program.execute(&context) {
            Ok(Cel::Bool(true)) => None,
            Ok(Cel::Bool(false)) => wrong(match &self.message {
                Some(message) => format!("{message} (policy `{}`)", self.name),
                None => format!("it is against the policy `{}`: `{}`", self.name, self.expression),
            }),
            Ok(_) => wrong(format!("the policy `{}` is neither true nor false of it", self.name)),
            Err(_) if is_secret => wrong(format!("the policy `{}` cannot be decided of it", self.name)),
            Err(error) => {
                let why: String = error.to_string().chars().take(200).collect();
                wrong(format!(
                    "the policy `{}` cannot be decided of it: {why}; where a field may be missing, begin with `!has(…) ||`",
                    self.name
                ))
            }
        }
    }
}

/// Does work that may need a large stack.
pub(super) fn roomy<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let spawned = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let spawned = spawned.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "there is no thread to decide policies on").source(error)
        })?;
        spawned.join().map_err(|_| Error::internal("a policy panicked"))
    })
}

/// Returns how deep loops are within one another; or else the first name that is not known, or nothing where parts are
/// too deep within one another.
fn look<'a>(expression: &'a Expr, scope: &mut Vec<&'a str>, left: usize) -> Result<u32, Option<String>> {
    let left = left.checked_sub(1).ok_or(None)?;
    let mut deepest = 0;
    let mut inner: Vec<&Expr> = Vec::new();
    match expression {
        // What begins with `@` is how macros are written out.
        Expr::Ident(name) if !scope.contains(&name.as_str()) && !name.starts_with('@') && !is_type(name) => {
            return Err(Some(name.clone()));
        }
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Call(call) => {
            inner.extend(call.target.iter().map(|target| &target.expr));
            inner.extend(call.args.iter().map(|arg| &arg.expr));
        }
        Expr::List(list) => inner.extend(list.elements.iter().map(|item| &item.expr)),
        Expr::Select(select) => inner.push(&select.operand.expr),
        Expr::Map(map) => inner.extend(map.entries.iter().flat_map(|entry| parts(&entry.expr))),
        Expr::Struct(made) => inner.extend(made.entries.iter().flat_map(|entry| parts(&entry.expr))),
        Expr::Comprehension(each) => {
            for part in [&each.iter_range.expr, &each.accu_init.expr] {
                deepest = deepest.max(look(part, scope, left)?);
            }
            let known = scope.len();
            scope.extend([each.iter_var.as_str(), each.accu_var.as_str()]);
            scope.extend(each.iter_var2.as_deref());
            for part in [&each.loop_cond.expr, &each.loop_step.expr, &each.result.expr] {
                deepest = deepest.max(1 + look(part, scope, left)?);
            }
            scope.truncate(known);
        }
    }
    for expression in inner {
        deepest = deepest.max(look(expression, scope, left)?);
    }
    Ok(deepest)
}

/// The names of CEL's types, which are values too.
fn is_type(name: &str) -> bool {
    ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"].contains(&name)
}

fn parts(entry: &EntryExpr) -> Vec<&Expr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key.expr, &entry.value.expr],
        EntryExpr::StructField(field) => vec![&field.value.expr],
    }
}

/// Returns how many values an object holds.
fn nodes(value: &Value) -> u32 {
    let below = match value {
        Value::Array(items) => items.iter().map(nodes).fold(0, u32::saturating_add),
        Value::Object(map) => map.values().map(nodes).fold(0, u32::saturating_add),
        _ => 0,
    };
    below.saturating_add(1)
}

/// Returns a value as CEL has it: every whole number is an `int`, as Kubernetes' policies see it.
fn cel_value(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Cel::Int(value),
            (None, Some(value)) => Cel::UInt(value),
            (None, None) => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(cel_value).collect())),
        Value::Object(map) => {
            let map: HashMap<String, Cel> =
                map.iter().map(|(name, value)| (name.clone(), cel_value(value))).collect();
            map.into()
        }
    }
}
