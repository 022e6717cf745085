//! The configuration of an image (OCI image-spec, config.md): what a container runs and which layers
//! it is made of. What a base's configuration holds beyond that is kept as it is.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use shipway_core::{Context, Digest, Error, Platform, Result, Timestamp};

use crate::{json, manifest::platform};

/// The configuration of an image. A text or list that is empty is not set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImageConfig {
    /// The platform that the image is for.
    pub platform: Platform,
    /// When it was made, as RFC 3339 has it; see [`created_at`].
    pub created: Option<String>,
    /// The environment, each as `NAME=value`; see [`ImageConfig::set_env`].
    pub env: Vec<String>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments after those, or the program too when there is no entrypoint.
    pub cmd: Vec<String>,
    /// The user and group, by name or number.
    pub user: String,
    /// The working folder.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The ports that it listens on, such as `80/tcp`.
    pub exposed_ports: BTreeSet<String>,
    /// The folders that are volumes.
    pub volumes: BTreeSet<String>,
    /// The signal that ends it.
    pub stop_signal: String,
    /// The words before a command in shell form; Docker's own if there are none.
    pub shell: Vec<String>,
    /// The instructions that a Dockerfile built upon it begins with.
    pub on_build: Vec<String>,
    /// How its health is checked.
    pub healthcheck: Option<Healthcheck>,
    /// Who made it.
    pub author: String,
    /// The digests of the layers' tars, the lowest first.
    pub diff_ids: Vec<Digest>,
    /// How each layer came to be, and the steps without a layer.
    pub history: Vec<History>,
    /// What else was in the document, and in its object `config`.
    others: Map<String, Value>,
    other_settings: Map<String, Value>,
}

/// How a container's health is checked (Docker's image-spec, v1.3); a time of 0 is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Healthcheck {
    /// `NONE`, or `CMD` and the words, or `CMD-SHELL` and the command.
    #[serde(default, deserialize_with = "json::or_null", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// The time between checks, in nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// The time that a check may take, in nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// The time in which failures do not count, in nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// The time between checks while it starts, in nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many failures in a row make it unhealthy; 0 is not set.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Healthcheck {
    /// Returns a check by this test.
    #[must_use]
    pub fn new(test: Vec<String>) -> Self {
        Self { test, ..Self::default() }
    }
}

/// One step of an image's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct History {
    /// When, as RFC 3339 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which command or instruction.
    #[serde(default, deserialize_with = "json::or_null", skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// By whom.
    #[serde(default, deserialize_with = "json::or_null", skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// A comment.
    #[serde(default, deserialize_with = "json::or_null", skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether it made no layer.
    #[serde(default, deserialize_with = "json::or_null", skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl History {
    /// Returns the step of this command or instruction.
    pub fn new(created_by: impl Into<String>) -> Self {
        Self { created_by: created_by.into(), ..Self::default() }
    }

    /// Sets when it was.
    #[must_use]
    pub fn created(mut self, created: impl Into<String>) -> Self {
        self.created = Some(created.into());
        self
    }

    /// Says that it made no layer.
    #[must_use]
    pub fn without_layer(mut self) -> Self {
        self.empty_layer = true;
        self
    }
}

impl ImageConfig {
    /// Returns the configuration of an image of nothing.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self {
            platform,
            created: None,
            env: Vec::new(),
            entrypoint: Vec::new(),
            cmd: Vec::new(),
            user: String::new(),
            working_dir: String::new(),
            labels: BTreeMap::new(),
            exposed_ports: BTreeSet::new(),
            volumes: BTreeSet::new(),
            stop_signal: String::new(),
            shell: Vec::new(),
            on_build: Vec::new(),
            healthcheck: None,
            author: String::new(),
            diff_ids: Vec::new(),
            history: Vec::new(),
            others: Map::new(),
            other_settings: Map::new(),
        }
    }

    /// Reads a configuration of OCI or Docker; what is not known here is kept for
    /// [`ImageConfig::to_json`].
    ///
    /// # Errors
    /// `BadOutput` when it is malformed.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let mut top = Fields(json::parse(bytes, "the image's configuration")?);
        let mut settings = Fields(top.take("config")?);
        let mut layers = Fields(top.take("rootfs")?);
        let (os, architecture) = (top.take::<String>("os")?, top.take::<String>("architecture")?);
        if os.is_empty() || architecture.is_empty() {
            return Err(Error::bad_output("the image's configuration names no platform"));
        }
        let kind: String = layers.take("type")?;
        if !matches!(kind.as_str(), "" | "layers") {
            return Err(Error::bad_output(format!(
                "the image's configuration has a file system of `{kind}`"
            )));
        }
        Ok(Self {
            platform: platform(os, architecture, top.take("variant")?),
            created: top.take("created")?,
            env: settings.take("Env")?,
            entrypoint: settings.take("Entrypoint")?,
            cmd: settings.take("Cmd")?,
            user: settings.take("User")?,
            working_dir: settings.take("WorkingDir")?,
            labels: settings.take("Labels")?,
            exposed_ports: settings.take_set("ExposedPorts")?,
            volumes: settings.take_set("Volumes")?,
            stop_signal: settings.take("StopSignal")?,
            shell: settings.take("Shell")?,
            on_build: settings.take("OnBuild")?,
            healthcheck: settings.take("Healthcheck")?,
            author: top.take("author")?,
            diff_ids: layers.take("diff_ids")?,
            history: top.take("history")?,
            others: top.0,
            other_settings: settings.0,
        })
    }

    /// Returns the configuration as JSON, the same bytes for the same values.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        let mut settings = Fields(self.other_settings.clone());
        settings.put("Env", &self.env);
        settings.put("Entrypoint", &self.entrypoint);
        settings.put("Cmd", &self.cmd);
        settings.put("User", &self.user);
        settings.put("WorkingDir", &self.working_dir);
        settings.put("Labels", &self.labels);
        settings.put_set("ExposedPorts", &self.exposed_ports);
        settings.put_set("Volumes", &self.volumes);
        settings.put("StopSignal", &self.stop_signal);
        settings.put("Shell", &self.shell);
        settings.put("OnBuild", &self.on_build);
        settings.put("Healthcheck", &self.healthcheck);
        let mut top = Fields(self.others.clone());
        top.put("os", &self.platform.os);
        top.put("architecture", &self.platform.architecture);
        top.put("variant", &self.platform.variant);
        top.put("created", &self.created);
        top.put("author", &self.author);
        top.put("history", &self.history);
        top.put("config", &settings.0);
        let layers = serde_json::json!({ "type": "layers", "diff_ids": self.diff_ids });
        top.0.insert("rootfs".to_owned(), layers);
        json::to_bytes(&top.0)
    }

    /// Adds a layer on top, with how it came to be.
    pub fn add_layer(&mut self, diff_id: Digest, history: History) {
        self.diff_ids.push(diff_id);
        self.history.push(History { empty_layer: false, ..history });
    }

    /// Returns a variable of the environment; of several with one name the last, as a process sees it.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='))
    }

    /// Sets a variable of the environment, in its place if it has one, as Docker does.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let named = |variable: &&mut String| variable.split('=').next() == Some(name);
        let variable = format!("{name}={value}");
        match self.env.iter_mut().find(named) {
            Some(place) => *place = variable,
            None => self.env.push(variable),
        }
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    /// Takes a field out; one that is missing or `null` is the default.
    fn take<T: DeserializeOwned + Default>(&mut self, key: &str) -> Result<T> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(T::default()),
            Some(value) => serde_json::from_value(value).map_err(|error| {
                Error::bad_output(format!("`{key}` of the image's configuration is not valid")).source(error)
            }),
        }
    }

    /// Takes a set, which Go writes as a map to empty objects.
    fn take_set(&mut self, key: &str) -> Result<BTreeSet<String>> {
        Ok(self.take::<BTreeMap<String, Value>>(key)?.into_keys().collect())
    }

    /// Puts a field in, unless it is empty.
    fn put(&mut self, key: &str, value: &impl Serialize) {
        let value = serde_json::to_value(value).expect("plain data with text keys");
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !empty {
            self.0.insert(key.to_owned(), value);
        }
    }

    fn put_set(&mut self, key: &str, set: &BTreeSet<String>) {
        self.put(key, &set.iter().map(|item| (item, Map::new())).collect::<BTreeMap<_, _>>());
    }
}

/// Returns the time that images are to carry, in seconds since 1970: `SOURCE_DATE_EPOCH` of the
/// context's environment, or 0, and never the present time.
///
/// BuildKit takes the variable the same way, for the configuration, its own steps of the history and
/// the files' times, and leaves the base's alone; but without the variable it takes the present time.
///
/// # Errors
/// `Config` when the variable is no count of seconds.
pub fn source_date_epoch(cx: &Context) -> Result<u64> {
    match cx.env("SOURCE_DATE_EPOCH") {
        None | Some("") => Ok(0),
        // The year 9999 is the last that RFC 3339 can write.
        Some(text) => text.parse().ok().filter(|seconds| *seconds <= 253_402_300_799).ok_or_else(|| {
            Error::config(format!("`SOURCE_DATE_EPOCH` is `{text}`"))
                .hint("set it to a count of seconds since 1970, such as the last commit's time")
        }),
    }
}

/// Returns a time in seconds since 1970 as images carry it, such as `1970-01-01T00:00:00Z`.
#[must_use]
pub fn created_at(seconds: u64) -> String {
    Timestamp(seconds.saturating_mul(1000)).to_string().replace(".000Z", "Z")
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, ErrorKind, RunContext, World};

    use super::*;
    use crate::digest_of;

    #[test]
    fn what_a_base_says_is_kept_and_edited() {
        let id = digest_of(b"base");
        let base = format!(
            r#"{{"architecture":"arm64","os":"linux","variant":"v8","os.features":["x"],"created":"2020-01-01T00:00:00Z",
            "config":{{"Env":["PATH=/bin","A=1","A=2"],"Entrypoint":null,"Cmd":["sh"],"Healthcheck":{{"Test":["NONE"]}},
                "ExposedPorts":{{"80/tcp":{{}}}},"Labels":null,"User":"app","OnBuild":null}},
            "rootfs":{{"type":"layers","diff_ids":["{id}"]}},
            "history":[{{"created_by":"ADD","empty_layer":false}},{{"created":"2020-01-01T00:00:00Z","empty_layer":true}}]}}"#
        );
        let mut config = ImageConfig::from_json(base.as_bytes()).unwrap();
        assert_eq!(config.platform.to_string(), "linux/arm64/v8");
        assert_eq!((config.env("A"), config.env("P"), &*config.user), (Some("2"), None, "app"));
        assert_eq!(config.exposed_ports.iter().collect::<Vec<_>>(), ["80/tcp"]);
        config.set_env("PATH", "/app");
        config.set_env("B", "");
        config.cmd.clear();
        config.entrypoint = vec!["/app".to_owned()];
        config.user.clear();
        config.add_layer(digest_of(b"app"), History::new("COPY").created(created_at(0)));
        config.created = Some(created_at(1_700_000_000));
        assert_eq!(ImageConfig::from_json(&config.to_json()).unwrap(), config);
        let json: Value = serde_json::from_slice(&config.to_json()).unwrap();
        assert_eq!(json["os.features"][0], "x");
        assert_eq!(json["config"]["Healthcheck"]["Test"][0], "NONE");
        assert_eq!(json["config"]["Env"], serde_json::json!(["PATH=/app", "A=1", "A=2", "B="]));
        assert_eq!(json["config"].get("Cmd").or(json["config"].get("User")), None);
        assert_eq!(json["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
        assert_eq!(json["history"][2]["created"], "1970-01-01T00:00:00Z");
        assert_eq!(json["created"], "2023-11-14T22:13:20Z");
    }

    #[test]
    fn a_new_configuration_holds_what_the_specification_requires_and_no_more() {
        let json = ImageConfig::new(Platform::new("linux", "amd64")).to_json();
        assert_eq!(
            json,
            &br#"{"architecture":"amd64","os":"linux","rootfs":{"diff_ids":[],"type":"layers"}}"#[..]
        );
    }

    #[test]
    fn hostile_configurations_are_refused() {
        let with = |fields: &str| format!(r#"{{"os":"linux","architecture":"amd64"{fields}}}"#);
        ImageConfig::from_json(with("").as_bytes()).unwrap();
        for bad in [
            String::new(),
            "[]".to_owned(),
            "{}".to_owned(),
            with(r#","config":[]"#),
            with(r#","config":{"Env":"A=1"}"#),
            with(r#","config":{"Env":[1]}"#),
            with(r#","rootfs":{"type":"x"}"#),
            with(r#","rootfs":{"type":"layers","diff_ids":["sha256:0"]}"#),
            with(&format!(r#","x":{}"#, "[".repeat(1000))),
        ] {
            let error = ImageConfig::from_json(bad.as_bytes()).expect_err(&bad);
            assert_eq!(error.kind(), ErrorKind::BadOutput, "{bad}");
        }
    }

    #[test]
    fn the_time_is_the_embedders_word() {
        for (text, seconds) in [
            (None, Some(0)),
            (Some(""), Some(0)),
            (Some("1700000000"), Some(1_700_000_000)),
            (Some("now"), None),
            (Some("-1"), None),
            (Some("253402300800"), None),
        ] {
            let env = text.map(|text| ("SOURCE_DATE_EPOCH".to_owned(), text.to_owned()));
            let cx = RunContext::new(World::host("/").env(env), "test").context(None, None, Cancel::new());
            assert_eq!(source_date_epoch(&cx).ok(), seconds, "{text:?}");
        }
    }
}
