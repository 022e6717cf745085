//! What was found, for programs.

use serde_json::{Map, Value, json};

use super::found::Found;

impl Found {
    /// Returns what was found in the form of Skaffold's `--analyze` (initializer/build/json.go): the builders, and the images
    /// with whether it is beyond doubt which of them builds it. The first builders are those of these images.
    ///
    /// ```
    /// use shipway_config::init::Found;
    ///
    /// let mut found = Found::default();
    /// found.dockerfiles.push("web/Dockerfile".into());
    /// found.images.push("shop/web".into());
    /// assert_eq!(
    ///     found.analysis().to_string(),
    ///     r#"{"builders":[{"name":"Docker","payload":{"path":"web/Dockerfile"}}],"images":[{"foundMatch":true,"name":"shop/web"}]}"#
    /// );
    /// ```
    #[must_use]
    pub fn analysis(&self) -> Value {
        let pairs = self.pairs();
        let builder = |name: &str, path: &str| json!({"name": name, "payload": {"path": path}});
        let image = |name: &str, matched: bool| json!({"name": name, "foundMatch": matched});
        let docker = pairs.pairs.iter().map(|pair| &pair.dockerfile).chain(&pairs.dockerfiles);
        let mut builders: Vec<Value> = docker.map(|path| builder("Docker", path)).collect();
        let others = self.unsupported.iter();
        builders.extend(others.filter_map(|other| Some(builder(other.kind.builder()?, &other.path))));
        let paired = pairs.pairs.iter().map(|pair| image(&pair.image, true));
        let images: Vec<Value> = paired.chain(pairs.images.iter().map(|name| image(name, false))).collect();
        let lists = [("builders", builders), ("images", images)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        Value::Object(lists.map(|(name, list)| (name.to_owned(), list.into())).collect::<Map<_, _>>())
    }
}
