//! Inputs that are kept elsewhere: images and secrets, each asked for once and all at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::Pin,
    task::Poll,
};

use crate::{Context, Digest, Error, ForeignImage, Inputs, Result, SecretId};

pub(super) type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Returns the digest that each declared image's reference means now.
pub(super) fn find_images<'a>(
    cx: &'a Context,
    declared: &[&'a Inputs],
) -> Asked<'a, BTreeMap<&'a ForeignImage, Digest>> {
    each(declared.iter().flat_map(|inputs| &inputs.images), move |image| {
        Box::pin(async move {
            let found = cx.images().find(cx, &image.store, &image.reference).await?;
            found.map(|found| found.digest).ok_or_else(|| {
                Error::not_found(format!("there is no image `{}`", image.reference))
                    .hint("check the reference, and that the image was pushed")
            })
        })
    })
}

/// Returns the version of each declared secret.
pub(super) fn find_secrets<'a>(
    cx: &'a Context,
    declared: &[&'a Inputs],
) -> Asked<'a, BTreeMap<&'a SecretId, String>> {
    each(declared.iter().flat_map(|inputs| &inputs.secrets), move |id| {
        Box::pin(async move { Ok(cx.secret(id).await?.version()) })
    })
}

/// Returns the answer for each key. All are waited for, so that of several errors it is the first key's.
fn each<'a, K: Ord + Sync + 'a, T: Send + 'a>(
    keys: impl Iterator<Item = &'a K>,
    ask: impl Fn(&'a K) -> Asked<'a, T>,
) -> Asked<'a, BTreeMap<&'a K, T>> {
    let mut seen = BTreeSet::new();
    let mut asked: Vec<_> = keys.filter(|key| seen.insert(*key)).map(|key| (key, ask(key), None)).collect();
    Box::pin(async move {
        poll_fn(|task| {
            for (_, question, answer) in asked.iter_mut().filter(|(.., answer)| answer.is_none()) {
                if let Poll::Ready(result) = question.as_mut().poll(task) {
                    *answer = Some(result);
                }
            }
            if asked.iter().all(|(.., answer)| answer.is_some()) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        asked.into_iter().filter_map(|(key, _, answer)| Some(answer?.map(|answer| (key, answer)))).collect()
    })
}
