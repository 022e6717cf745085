//! Which Dockerfile builds which image.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    dockerfile,
    found::{Found, folder_of, name_of},
    names::plain,
};

/// Above so many possible pairs names are not compared.
const MOST: usize = 1_000_000;

/// An image and the Dockerfile that builds it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pair {
    /// The name of the image.
    pub image: String,
    /// The path of the Dockerfile.
    pub dockerfile: String,
    /// The folder of what it builds from; its own when absent.
    pub context: Option<String>,
}

impl Pair {
    /// Returns the pair, with the Dockerfile's own folder.
    pub fn new(image: impl Into<String>, dockerfile: impl Into<String>) -> Self {
        Self { image: image.into(), dockerfile: dockerfile.into(), context: None }
    }

    /// Sets the folder of what is built from.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }
}

/// The images and Dockerfiles of a folder as pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pairs {
    /// The pairs, in the order of the Dockerfiles.
    pub pairs: Vec<Pair>,
    /// The images that are left.
    pub images: Vec<String>,
    /// The Dockerfiles that are left.
    pub dockerfiles: Vec<String>,
}

/// How well a Dockerfile fits an image, the best first: how many letters the longer of their names has more, and which
/// of the Dockerfile's names it is.
type Fit = (usize, usize);

impl Found {
    /// Returns the pairs that are beyond doubt: the only image with the only Dockerfile, and otherwise those whose names fit each
    /// other and nothing else as well.
    ///
    /// The last part of an image's name is compared with what a Dockerfile is called besides `Dockerfile`, and then with
    /// its folders, the nearest first; for a Dockerfile without both with the name of the whole folder. They fit if they are the
    /// same, or if one begins or ends with the other, as `shop-web` does with `web`: what differs least goes first.
    ///
    /// ```
    /// use shipway_config::init::Found;
    ///
    /// let mut found = Found::default();
    /// found.dockerfiles = ["api/Dockerfile", "web/Dockerfile"].map(String::from).into();
    /// found.images = ["redis", "registry.example/shop-web"].map(String::from).into();
    /// let pairs = found.pairs();
    /// assert_eq!((&*pairs.pairs[0].image, &*pairs.pairs[0].dockerfile), ("registry.example/shop-web", "web/Dockerfile"));
    /// assert_eq!((pairs.images, pairs.dockerfiles), (vec!["redis".into()], vec!["api/Dockerfile".into()]));
    /// ```
    #[must_use]
    pub fn pairs(&self) -> Pairs {
        self.paired(false)
    }

    /// Returns pairs without asking anybody. Of what fits equally well the first is taken: of images first those in a
    /// repository with a folder or a host, then by name; of Dockerfiles in the order in which they are found. Where
    /// nothing fits and there is but one image, the first Dockerfile builds it, as with Skaffold's `--force`.
    #[must_use]
    pub fn pairs_by_rule(&self) -> Pairs {
        let mut pairs = self.paired(true);
        if let ([image], [], [dockerfile, ..]) = (&*self.images, &*pairs.pairs, &*self.dockerfiles) {
            pairs.pairs.push(Pair::new(image, dockerfile));
            pairs.images.clear();
            pairs.dockerfiles.remove(0);
        }
        pairs
    }

    fn paired(&self, by_rule: bool) -> Pairs {
        let mut images: Vec<&String> = self.images.iter().collect();
        images.sort_by_key(|image| !image.contains('/'));
        let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
        if let ([_], [_]) = (&*self.images, &*self.dockerfiles) {
            taken.insert(0, 0);
        } else {
            self.pair_names(&images, by_rule, &mut taken);
        }
        let mut pairs = Pairs::default();
        for (at, dockerfile) in self.dockerfiles.iter().enumerate() {
            match taken.get(&at) {
                Some(image) => pairs.pairs.push(Pair::new(images[*image], dockerfile)),
                None => pairs.dockerfiles.push(dockerfile.clone()),
            }
        }
        let built: BTreeSet<&String> = pairs.pairs.iter().map(|pair| &pair.image).collect();
        pairs.images = self.images.iter().filter(|image| !built.contains(image)).cloned().collect();
        pairs
    }

    /// Pairs Dockerfiles with images, both by their places, as their names say.
    fn pair_names(&self, images: &[&String], by_rule: bool, taken: &mut BTreeMap<usize, usize>) {
        if images.len().saturating_mul(self.dockerfiles.len()) > MOST {
            return;
        }
        let lasts: Vec<String> = images.iter().map(|image| plain(name_of(image))).collect();
        let mut fits: BTreeMap<Fit, Vec<(usize, usize)>> = BTreeMap::new();
        for (at, dockerfile) in self.dockerfiles.iter().enumerate() {
            let names = self.names(dockerfile);
            for (image, last) in lasts.iter().enumerate() {
                if let Some(fit) = fit(&names, last) {
                    fits.entry(fit).or_default().push((image, at));
                }
            }
        }
        // What has its pair, and what is left for somebody to decide.
        let (mut done, mut settled) = (BTreeSet::new(), BTreeSet::new());
        for mut level in fits.into_values() {
            level.retain(|(image, at)| !done.contains(image) && !settled.contains(at));
            level.sort_unstable();
            let (mut of_image, mut of_dockerfile) = (BTreeMap::new(), BTreeMap::new());
            for (image, at) in &level {
                *of_image.entry(*image).or_insert(0) += 1;
                *of_dockerfile.entry(*at).or_insert(0) += 1;
            }
            for (image, at) in level {
                let only = of_image[&image] == 1 && of_dockerfile[&at] == 1;
                let free = !done.contains(&image) && !settled.contains(&at);
                if only || (by_rule && free) {
                    taken.insert(at, image);
                }
                if only || !by_rule || free {
                    done.insert(image);
                    settled.insert(at);
                }
            }
        }
    }

    /// Returns what a Dockerfile may be meant by, the best first.
    fn names(&self, path: &str) -> Vec<String> {
        let suffix = dockerfile::suffix(name_of(path)).map(|suffix| plain(&suffix));
        let mut names: Vec<String> = suffix.into_iter().collect();
        let mut folder = folder_of(path);
        while !folder.is_empty() {
            names.push(plain(name_of(folder)));
            folder = folder_of(folder);
        }
        if names.is_empty() {
            names.extend(self.name.clone());
        }
        names
    }
}

fn fit(names: &[String], last: &str) -> Option<Fit> {
    let fits = |name: &str| {
        let both = !name.is_empty() && !last.is_empty();
        both && (name == last || is_part(name, last) || is_part(last, name))
    };
    let fitting = names.iter().enumerate().filter(|(_, name)| fits(name));
    fitting.map(|(at, name)| (name.len().abs_diff(last.len()), at)).min()
}

/// Returns whether a text begins or ends with another, as words.
fn is_part(part: &str, whole: &str) -> bool {
    whole.strip_prefix(part).is_some_and(|rest| rest.starts_with('-'))
        || whole.strip_suffix(part).is_some_and(|rest| rest.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(images: &[&str], dockerfiles: &[&str]) -> Found {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Found {
            name: Some("shop".into()),
            images: texts(images),
            dockerfiles: texts(dockerfiles),
            ..Found::default()
        }
    }

    fn shown(pairs: Pairs) -> String {
        let mut shown: Vec<String> =
            pairs.pairs.iter().map(|pair| format!("{}<{}", pair.image, pair.dockerfile)).collect();
        shown.extend(pairs.images);
        shown.extend(pairs.dockerfiles);
        shown.join(" ")
    }

    #[test]
    fn names_that_fit_are_pairs() {
        for (images, dockerfiles, expected) in [
            // One and one, whatever they are called.
            (&["a"][..], &["x/Dockerfile"][..], "a<x/Dockerfile"),
            (
                &["r/web", "r/api"],
                &["api/Dockerfile", "web/Dockerfile"],
                "r/api<api/Dockerfile r/web<web/Dockerfile",
            ),
            (&["web", "api"], &["Dockerfile.api", "web.Dockerfile"], "api<Dockerfile.api web<web.Dockerfile"),
            // What a file is called goes before its folder.
            (
                &["web", "dev"],
                &["web/Dockerfile", "web/Dockerfile.dev"],
                "web<web/Dockerfile dev<web/Dockerfile.dev",
            ),
            (&["web", "db"], &["apps/web/build/Dockerfile"], "web<apps/web/build/Dockerfile db"),
            (&["shop", "redis"], &["Dockerfile"], "shop<Dockerfile redis"),
            (
                &["acme/shop-front_end", "redis"],
                &["front end/Dockerfile", "x/Dockerfile"],
                "acme/shop-front_end<front end/Dockerfile redis x/Dockerfile",
            ),
            (
                &["web", "redis"],
                &["leeroy-web/Dockerfile", "b/Dockerfile"],
                "web<leeroy-web/Dockerfile redis b/Dockerfile",
            ),
            // What is the same goes before what is a part.
            (
                &["web-admin", "web"],
                &["web/Dockerfile", "admin/Dockerfile"],
                "web<web/Dockerfile web-admin<admin/Dockerfile",
            ),
            // What is nearly the same goes before what is a smaller part.
            (
                &["spanner-boot-image", "x"],
                &["spanner/Dockerfile", "spanner-boot/Dockerfile"],
                "spanner-boot-image<spanner-boot/Dockerfile x spanner/Dockerfile",
            ),
            // Nothing fits, or several do.
            (&["redis", "db"], &["web/Dockerfile"], "redis db web/Dockerfile"),
            (
                &["a/web", "b/web"],
                &["web/Dockerfile", "x/Dockerfile"],
                "a/web b/web web/Dockerfile x/Dockerfile",
            ),
            (
                &["web", "x"],
                &["a/web/Dockerfile", "b/web/Dockerfile"],
                "web x a/web/Dockerfile b/web/Dockerfile",
            ),
            (&["webx", "x"], &["web/Dockerfile"], "webx x web/Dockerfile"),
            (&["x"], &["a/Dockerfile", "b/Dockerfile"], "x a/Dockerfile b/Dockerfile"),
            (&[], &["a/Dockerfile"], "a/Dockerfile"),
            (&["x"], &[], "x"),
            (&["x", "---"], &["ü/Dockerfile"], "x --- ü/Dockerfile"),
        ] {
            assert_eq!(shown(found(images, dockerfiles).pairs()), expected);
        }
    }

    #[test]
    fn a_rule_decides_where_nobody_is_asked() {
        for (images, dockerfiles, expected) in [
            (
                &["web", "x"][..],
                &["a/web/Dockerfile", "b/web/Dockerfile"][..],
                "web<a/web/Dockerfile x b/web/Dockerfile",
            ),
            (&["nginx", "shop/nginx"], &["nginx/Dockerfile"], "shop/nginx<nginx/Dockerfile nginx"),
            (&["x"], &["a/Dockerfile", "b/Dockerfile"], "x<a/Dockerfile b/Dockerfile"),
            (&["redis", "db"], &["web/Dockerfile"], "redis db web/Dockerfile"),
        ] {
            assert_eq!(shown(found(images, dockerfiles).pairs_by_rule()), expected);
        }
    }
}
