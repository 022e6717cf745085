//! What a release's own secrets hold, which no output may tell.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use shipway_core::{Context, ObjectId};

/// What is shorter in a secret is hidden by no one: it would hide half of all output.
const SECRET: usize = 8;

/// Hides what the release's own secrets hold from now on.
pub(crate) fn hide_secrets<'a>(cx: &Context, objects: impl IntoIterator<Item = (&'a ObjectId, &'a Value)>) {
    let secrets =
        objects.into_iter().filter(|(id, _)| (id.api_version.as_str(), id.kind.as_str()) == ("v1", "Secret"));
    for (_, secret) in secrets {
        let values = |field: &str| secret[field].as_object().into_iter().flat_map(|map| map.values());
        let data = values("data").filter_map(|value| STANDARD.decode(value.as_str()?).ok());
        let data = data.filter_map(|bytes| String::from_utf8(bytes).ok());
        let plain = values("stringData").filter_map(Value::as_str).map(str::to_owned);
        data.chain(plain).filter(|value| value.len() >= SECRET).for_each(|value| cx.mask(&value.into()));
    }
}
