//! The test that a plug-in author writes, here of a small tagger, run as they run it.

use std::process::ExitCode;

use async_trait::async_trait;
use shipway_core::{Context, Fingerprint, Result, Tag, TagRequest, Tagger};

/// Tags with the day and the beginning of the fingerprint.
#[derive(Debug)]
struct Daily;

#[async_trait]
impl Tagger for Daily {
    fn needs_fingerprint(&self) -> bool {
        true
    }

    async fn tag(&self, cx: &Context, request: &TagRequest) -> Result<Tag> {
        let day: String = cx.clock().now().to_string().chars().take(10).collect();
        let short = request.fingerprint.as_ref().map_or("none", Fingerprint::short);
        Tag::parse(format!("{day}-{short}"))
    }
}

fn main() -> ExitCode {
    shipway_testkit::tagger(|| Daily).main()
}
