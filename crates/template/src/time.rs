//! Moments as Go's `time.Format` writes them.

use jiff::{
    Timestamp as Moment,
    tz::{Offset, TimeZone, TimeZoneDatabase},
};
use shipway_core::{Context, EntryKind, Error, ErrorKind, Result, Timestamp};

mod duration;
mod layout;

pub use self::{duration::whole_seconds, layout::format_time};

/// A time zone with its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A file of the zone database has some kilobytes.
const MAX_ZONE_FILE: usize = 1024 * 1024;

impl Zone {
    /// Returns universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Returns the zone of this name, such as `Europe/Berlin`, out of the zone database that is compiled in.
    ///
    /// As in Go, the empty name and `UTC` are universal time, and `Local` is this machine's zone, which
    /// [`Self::local`] finds. It blocks, so call it inside [`Context::blocking`].
    ///
    /// # Errors
    /// `Config` when there is no zone of this name.
    pub fn named(cx: &Context, name: &str) -> Result<Self> {
        match name {
            "" | "UTC" => Ok(Self::utc()),
            "Local" => Self::local(cx),
            name => Self::known(name).ok_or_else(|| {
                Error::config(format!("there is no time zone `{name}`"))
                    .hint("write a name of the zone database, such as `Europe/Berlin`, or `UTC`, or `Local`")
            }),
        }
    }

    /// Returns the zone that the context's `TZ` names; without one, that of `/etc/localtime`; without
    /// that, universal time. It blocks.
    ///
    /// # Errors
    /// `Config` when `TZ` names no zone; `BadOutput` when `/etc/localtime` is no zone's file.
    pub fn local(cx: &Context) -> Result<Self> {
        let etc = "/etc".as_ref();
        if let Some(name) = cx.env("TZ") {
            let name = name.strip_prefix(':').unwrap_or(name);
            if name.is_empty() {
                return Ok(Self::utc());
            }
            return Self::known(below_database(name).unwrap_or(name)).ok_or_else(|| {
                Error::config(format!("there is no time zone `{name}`, which the variable `TZ` names"))
                    .hint("set it to a name of the zone database, such as `Europe/Berlin`")
            });
        }
        match cx.files().entry(cx, etc, "localtime")?.map(|entry| entry.kind) {
            // The file is a link into the database, so it says the zone's name.
            Some(EntryKind::Link(target)) => {
                let zone = below_database(&target).and_then(Self::known);
                zone.ok_or_else(|| unknown_local(format!("links to `{target}`, which is no time zone")))
            }
            Some(EntryKind::File) => {
                let content = cx.files().open(cx, etc, "localtime")?.read(MAX_ZONE_FILE)?;
                let zone = TimeZone::tzif("Local", &content);
                zone.map(Self).map_err(|error| unknown_local(format!("is no time zone: {error}")))
            }
            _ => Ok(Self::utc()),
        }
    }

    pub(crate) fn known(name: &str) -> Option<Self> {
        // One database for all: where the program runs must not change a tag.
        TimeZoneDatabase::bundled().get(name).ok().map(Self)
    }

    /// Returns the zone's clock at a moment: the abbreviation of its name, and the offset.
    fn at(&self, moment: Moment) -> (String, Offset) {
        let info = self.0.to_offset_info(moment);
        (info.abbreviation().to_owned(), info.offset())
    }
}

fn below_database(path: &str) -> Option<&str> {
    path.split_once("zoneinfo/").map(|(_, name)| name)
}

fn unknown_local(what: String) -> Error {
    Error::new(ErrorKind::BadOutput, format!("`/etc/localtime` {what}")).hint("set `TZ`, or name the zone")
}

fn moment(at: Timestamp) -> Moment {
    // The largest is of the year 9999.
    i64::try_from(at.0).ok().and_then(|at| Moment::from_millisecond(at).ok()).unwrap_or(Moment::MAX)
}
