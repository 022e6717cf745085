//! The tagger that names an image by when it was built.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Context, PluginConfig, Result, Tag, TagRequest, Tagger};
use shipway_template::{Zone, format_time};

use crate::tag;

/// Skaffold's own.
const FORMAT: &str = "2006-01-02_15-04-05.999_MST";

/// Options of [`DateTime`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct DateTimeConfig {
    /// A layout of Go's; `2006-01-02_15-04-05.999_MST` when it is empty.
    pub format: String,
    /// A name of the zone database, `UTC` or `Local`, which it also is when it is empty.
    pub timezone: String,
}

impl PluginConfig for DateTimeConfig {
    const KIND: &'static str = "dateTime";
    type Plugin = DateTime;

    fn into_plugin(self, _catalog: &Catalog) -> Result<DateTime> {
        Ok(DateTime(self))
    }
}

/// Gives an image the moment of tagging as its tag, by the context's clock.
///
/// `Local` is the zone that the context's environment names by `TZ`, and else this machine's.
#[derive(Clone, Debug, Default)]
pub struct DateTime(DateTimeConfig);

impl DateTime {
    /// Returns the tagger; an empty text is the default of either.
    pub fn new(format: impl Into<String>, timezone: impl Into<String>) -> Self {
        Self(DateTimeConfig { format: format.into(), timezone: timezone.into() })
    }
}

#[async_trait]
impl Tagger for DateTime {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, cx: &Context, _request: &TagRequest) -> Result<Tag> {
        let DateTimeConfig { format, timezone } = &self.0;
        let format = if format.is_empty() { FORMAT } else { format };
        let timezone = if timezone.is_empty() { "Local".to_owned() } else { timezone.clone() };
        let now = cx.clock().now();
        let zone = cx.blocking(move |cx| Zone::named(cx, &timezone)).await?;
        tag(format_time(format, now, &zone), &format!("the format `{format}`"))
    }
}
