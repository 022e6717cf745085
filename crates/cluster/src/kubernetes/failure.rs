//! What a refusal of the API server means: the one place where an answer becomes an error.

use kube::core::response::{Status, StatusCause};
use shipway_core::{Error, ErrorKind, ObjectId};

/// The longest text of the API server's that is shown.
const SHOWN: usize = 1000;

/// What was asked, in the words of a message.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// What is done, such as `apply`.
    verb: &'static str,
    /// What it is done to, such as `ConfigMap shop/settings`.
    what: String,
    /// Whether what the API server says may quote a secret's content.
    secret: bool,
}

impl Asked {
    pub(super) fn new(verb: &'static str, what: impl Into<String>) -> Self {
        Self { verb, what: what.into(), secret: false }
    }

    pub(super) fn of(verb: &'static str, id: &ObjectId) -> Self {
        Self { verb, what: id.to_string(), secret: id.kind == "Secret" }
    }

    /// Returns the sentence that what was asked cannot be done.
    pub(super) fn cannot(&self) -> String {
        format!("cannot {} {}", self.verb, self.what)
    }

    /// Returns a text of the API server's, fit to be shown.
    fn shown(&self, text: &str) -> Option<String> {
        let clean: String =
            text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
        (!clean.is_empty() && !self.secret).then_some(clean)
    }
}

/// Returns the error that an answer with this code means; the body is a `Status` wherever it comes from
/// the API server itself ("API Conventions", "Response Status Kind").
pub(super) fn failure(asked: &Asked, code: u16, body: &[u8]) -> Error {
    let status = serde_json::from_slice(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]);
        Status::failure(&text, "")
    });
    failed(asked, code, &status)
}

/// Returns the error that a `Status` means.
pub(super) fn failed(asked: &Asked, code: u16, status: &Status) -> Error {
    let says = asked.shown(&status.message);
    let told = |error: Error| says.iter().fold(error, |error, says| error.note(says.as_str()));
    let plain = |kind: ErrorKind| told(Error::new(kind, asked.cannot()));
    match code {
        401 => plain(ErrorKind::Auth)
            .note("the API server does not know the user of this context")
            .hint("see whether the credentials in the kubeconfig have expired"),
        403 => forbidden(asked, status),
        404 => missing(asked, status, says),
        405 => plain(ErrorKind::Unsupported).hint("this kind cannot be written so"),
        409 => conflict(asked, status, says),
        // "Kubernetes API Concepts", "Efficient detection of changes".
        410 => plain(ErrorKind::Conflict).hint("list again, and watch from the list's version"),
        413 => plain(ErrorKind::Config).hint("an object has at most about 1.5 MB"),
        // The kubelet's answer for the log of a container that has not begun.
        400 if status.message.contains("is waiting to start") => plain(ErrorKind::Unavailable),
        400 | 422 => invalid(asked, status, says),
        // A configuration that does not fit its kind is told so (structured-merge-diff, `typed`; apimachinery,
        // `managedfields`).
        500 if ["failed to create typed patch object", "failed to convert new object"]
            .iter()
            .any(|begins| status.message.starts_with(begins)) =>
        {
            invalid(asked, status, says)
        }
        429 | 500 | 502..=504 => plain(ErrorKind::Unavailable).note(format!("the API server answers {code}")),
        _ => plain(ErrorKind::BadOutput).note(format!("the API server answers {code}")),
    }
}

/// Who may not do it; or what else does not allow it: admission, a quota, a namespace that goes away.
fn forbidden(asked: &Asked, status: &Status) -> Error {
    let message = status.message.as_str();
    let quoted = |before: &str| {
        let (_, rest) = message.split_once(before)?;
        rest.split_once('"').map(|(value, _)| value)
    };
    if causes(status).any(|cause| cause.reason == "NamespaceTerminating") {
        return Error::conflict(format!("{}: its namespace is being removed", asked.cannot()))
            .hint("wait until it is gone, or take another");
    }
    let (Some(user), Some(verb)) = (quoted("User \""), word_after(message, " cannot ")) else {
        let error = Error::config(format!("{}: the cluster's policy does not allow it", asked.cannot()));
        return asked.shown(message).into_iter().fold(error, Error::note);
    };
    let resource = quoted("resource \"").unwrap_or("it");
    let resource = match quoted("API group \"").filter(|group| !group.is_empty()) {
        Some(group) => format!("{resource}.{group}"),
        None => resource.to_owned(),
    };
    let place = match quoted("in the namespace \"") {
        Some(namespace) => format!("in namespace `{namespace}`"),
        None => "in the whole cluster".to_owned(),
    };
    let error = Error::new(ErrorKind::Auth, format!("{}: user `{user}` may not", asked.cannot()));
    error.hint(format!("grant `{verb}` of `{resource}` {place} by a role, or take another user"))
}

fn missing(asked: &Asked, status: &Status, says: Option<String>) -> Error {
    let details = status.details.as_ref();
    let error = match details.filter(|details| details.kind == "namespaces") {
        Some(details) => {
            Error::not_found(format!("{}: there is no namespace `{}`", asked.cannot(), details.name))
                .hint("create it first, or name another")
        }
        None if details.is_some_and(|details| !details.name.is_empty()) => {
            Error::not_found(format!("{}: it is not there", asked.cannot()))
        }
        None => Error::not_found(asked.cannot()).hint("see whether the cluster has this kind"),
    };
    says.into_iter().fold(error, Error::note)
}

fn conflict(asked: &Asked, status: &Status, says: Option<String>) -> Error {
    let mut fields = causes(status).filter(|cause| cause.reason == "FieldManagerConflict").map(|cause| {
        let owner = cause.message.split('"').nth(1).unwrap_or("somebody else");
        (cause.field.as_str(), owner.to_owned())
    });
    if let Some((field, owner)) = fields.next() {
        let error = Error::conflict(format!("`{field}` of {} belongs to `{owner}`", asked.what));
        return fields
            .fold(error, |error, (field, owner)| error.note(format!("`{field}` belongs to `{owner}`")))
            .hint("leave these fields out, give them the values that they have, or ask the owner");
    }
    if status.reason == "AlreadyExists" {
        return Error::conflict(format!("{} exists already", asked.what));
    }
    let error = Error::conflict(format!("{} was changed by somebody else", asked.what));
    says.into_iter().fold(error, Error::note).hint("read it again and repeat the change")
}

fn invalid(asked: &Asked, status: &Status, says: Option<String>) -> Error {
    let mut notes = causes(status).map(|cause| match asked.shown(&cause.message) {
        Some(message) => format!("`{}`: {message}", cause.field),
        // What is wrong with a secret is said without its value.
        None => format!("`{}`: {}", cause.field, cause.reason),
    });
    match (notes.next(), says) {
        (Some(first), _) => notes.fold(Error::config(format!("{}: {first}", asked.cannot())), Error::note),
        (None, Some(says)) => Error::config(format!("{}: {says}", asked.cannot())),
        (None, None) if status.message.contains("illegal base64 data") => {
            Error::config(format!("{}: a value in it is not base64", asked.cannot()))
                .hint("what is in `data` is in base64, and what is in `stringData` as it is")
        }
        (None, None) => Error::config(format!("{}: it is not valid", asked.cannot())),
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

fn word_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shipway_core::ErrorKind::{Auth, BadOutput, Config, Conflict, NotFound, Unavailable, Unsupported};

    use super::*;

    fn status(code: u16, reason: &str, message: &str, details: Value) -> (u16, String) {
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": details, "code": code});
        (code, status.to_string())
    }

    /// Answers as a Kubernetes 1.34 gave them.
    #[test]
    fn each_refusal_has_its_kind_and_says_what_matters() {
        let field = |field: &str, owner: &str| {
            json!({"reason": "FieldManagerConflict", "field": field,
                "message": format!("conflict with \"{owner}\" using apps/v1 at 2026-11-21T10:00:00Z")})
        };
        let table = [
            (
                status(401, "Unauthorized", "Unauthorized", Value::Null),
                Auth,
                "cannot apply ConfigMap shop/web",
            ),
            (
                status(
                    403,
                    "Forbidden",
                    "configmaps \"web\" is forbidden: User \"system:anonymous\" cannot patch \
                    resource \"configmaps\" in API group \"\" in the namespace \"shop\"",
                    json!({"name": "web", "kind": "configmaps"}),
                ),
                Auth,
                "cannot apply ConfigMap shop/web: user `system:anonymous` may not\n  hint: grant `patch` of \
                    `configmaps` in namespace `shop` by a role, or take another user",
            ),
            (
                status(
                    403,
                    "Forbidden",
                    "deployments.apps is forbidden: User \"ci\" cannot list resource \
                    \"deployments\" in API group \"apps\" at the cluster scope",
                    json!({}),
                ),
                Auth,
                "grant `list` of `deployments.apps` in the whole cluster",
            ),
            (
                status(403, "Forbidden", "pods \"web\" is forbidden: exceeded quota: small", json!({})),
                Config,
                "the cluster's policy does not allow it\n  note: pods \"web\" is forbidden: exceeded quota",
            ),
            (
                status(
                    403,
                    "Forbidden",
                    "unable to create new content in namespace shop because it is being terminated",
                    json!({"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}),
                ),
                Conflict,
                "its namespace is being removed",
            ),
            (
                status(
                    404,
                    "NotFound",
                    "namespaces \"shop\" not found",
                    json!({"name": "shop", "kind": "namespaces"}),
                ),
                NotFound,
                "there is no namespace `shop`",
            ),
            (
                status(
                    404,
                    "NotFound",
                    "configmaps \"web\" not found",
                    json!({"name": "web", "kind": "configmaps"}),
                ),
                NotFound,
                "cannot apply ConfigMap shop/web: it is not there",
            ),
            ((404, "404 page not found\n".to_owned()), NotFound, "see whether the cluster has this kind"),
            (status(405, "MethodNotAllowed", "not allowed", json!({})), Unsupported, "note: not allowed"),
            (
                status(
                    409,
                    "Conflict",
                    "Apply failed with 2 conflicts",
                    json!({"causes": [
                        field(".spec.replicas", "hpa"),
                        field(".spec.template.spec.containers[name=\"web\"].image", "kubectl-set"),
                    ]}),
                ),
                Conflict,
                "`.spec.replicas` of ConfigMap shop/web belongs to `hpa`\n  note: \
                    `.spec.template.spec.containers[name=\"web\"].image` belongs to `kubectl-set`\n  hint: leave",
            ),
            (
                status(409, "AlreadyExists", "configmaps \"web\" already exists", json!({})),
                Conflict,
                "ConfigMap shop/web exists already",
            ),
            (
                status(409, "Conflict", "the object has been modified", json!({})),
                Conflict,
                "ConfigMap shop/web was changed by somebody else\n  note: the object has been modified",
            ),
            (status(410, "Expired", "too old resource version: 1 (2)", json!({})), Conflict, "list again"),
            (status(413, "RequestEntityTooLarge", "limit is 3145728", json!({})), Config, "1.5 MB"),
            (
                status(
                    422,
                    "Invalid",
                    "ConfigMap \"web\" is invalid",
                    json!({"causes": [
                        {"reason": "FieldValueInvalid", "field": "spec.a", "message": "Invalid value: \"x\""},
                        {"reason": "FieldValueRequired", "field": "spec.b", "message": "Required value"},
                    ]}),
                ),
                Config,
                "cannot apply ConfigMap shop/web: `spec.a`: Invalid value: \"x\"\n  note: `spec.b`: Required value",
            ),
            (
                status(400, "BadRequest", "unknown field \"spec.imag\"", json!({})),
                Config,
                "cannot apply ConfigMap shop/web: unknown field \"spec.imag\"",
            ),
            (
                status(
                    400,
                    "BadRequest",
                    "container \"a\" in pod \"b\" is waiting to start: ContainerCreating",
                    json!({}),
                ),
                Unavailable,
                "waiting to start",
            ),
            (status(429, "TooManyRequests", "slow down", json!({})), Unavailable, "answers 429"),
            (
                status(500, "InternalError", "etcdserver: leader changed", json!({})),
                Unavailable,
                "leader changed",
            ),
            (
                status(
                    500,
                    "",
                    "failed to create typed patch object (shop/web; /v1, Kind=ConfigMap): .dota: field \
                    not declared in schema",
                    Value::Null,
                ),
                Config,
                ".dota: field not declared in schema",
            ),
            (
                status(
                    500,
                    "",
                    "failed to convert new object (shop/web; /v1, Kind=ConfigMap) to proper version: error decoding \
                    from json: illegal base64 data at input byte 6",
                    Value::Null,
                ),
                Config,
                "illegal base64 data",
            ),
            ((503, "\u{1b}[31mno\nserver".to_owned()), Unavailable, "note:  [31mno server"),
            (
                status(504, "Timeout", "the server was unable to return a response in time", json!({})),
                Unavailable,
                "504",
            ),
            ((418, String::new()), BadOutput, "answers 418"),
        ];
        let asked = Asked::of("apply", &ObjectId::new("v1", "ConfigMap", "web").namespace("shop".to_owned()));
        for ((code, body), kind, text) in table {
            let error = failure(&asked, code, body.as_bytes());
            let report = format!("{error:?}");
            assert!(
                error.kind() == kind && report.contains(text),
                "{code} {kind}: {report}\nhas not: {text}"
            );
            assert_eq!(error.may_retry(), kind == Unavailable, "{report}");
        }
    }

    #[test]
    fn nothing_that_may_quote_a_secret_is_shown() {
        let asked = Asked::of("apply", &ObjectId::new("v1", "Secret", "web").namespace("shop".to_owned()));
        let causes = json!({"causes": [{"reason": "FieldValueInvalid", "field": "data[a]",
            "message": "Invalid value: \"canary\""}]});
        for code in [400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 504, 599] {
            for details in [json!({}), causes.clone()] {
                let (_, body) = status(code, "Reason", "expected string, got \"canary\"", details);
                let report = format!("{:?}", failure(&asked, code, body.as_bytes()));
                assert!(!report.contains("canary") && report.contains("Secret shop/web"), "{report}");
            }
        }
        let (_, body) = status(500, "", "failed to convert new object: illegal base64 data", Value::Null);
        let report = failure(&asked, 500, body.as_bytes()).report().to_string();
        assert!(report.contains("not base64") && report.contains("hint: what is in `data`"), "{report}");
        let long = failure(&Asked::new("list", "Pods"), 500, "x".repeat(100_000).as_bytes());
        assert!(format!("{long:?}").len() < 2 * SHOWN);
    }
}
