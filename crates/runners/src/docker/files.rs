//! Files that are put into a container before it starts, and the one that is read after it ended.

use shipway_core::{Context, Result};
use shipway_docker::{ArchiveKind, ArchiveReader, ContainerSpec, tar_stream};

use super::Docker;

/// The most bytes of a result.
const RESULT: usize = 4096;

/// The most bytes of a container's list of users.
const USERS: usize = 1024 * 1024;

/// A text at a path of a container.
pub(super) struct MountedFile {
    pub(super) target: String,
    pub(super) content: String,
    pub(super) mode: u32,
}

impl Docker {
    /// Puts files into a container, for the user that the command will run as.
    pub(super) async fn put_files(
        &self,
        cx: &Context,
        id: &str,
        spec: &ContainerSpec,
        files: Vec<MountedFile>,
    ) -> Result<()> {
        let owner = self.owner(cx, id, spec).await?;
        let tar = tar_stream(move |tar| {
            for MountedFile { target, content, mode } in files {
                let path = target.trim_start_matches('/');
                tar.file(path, mode, owner, content.len() as u64, content.as_bytes())?;
            }
            Ok(())
        })?;
        self.daemon.put_archive(cx, id, "/", tar).await
    }

    /// Returns the numbers of the user that the command will run as; a user by name is looked up in the
    /// container, as the engine does.
    async fn owner(&self, cx: &Context, id: &str, spec: &ContainerSpec) -> Result<(u64, u64)> {
        let user = match &spec.user {
            Some(user) => user.clone(),
            None => self.daemon.image(cx, &spec.image).await?.map(|image| image.user).unwrap_or_default(),
        };
        let (user, group) = user.split_once(':').unwrap_or((&user, ""));
        if user.is_empty() {
            return Ok((0, 0));
        }
        let group = group.parse::<u64>().ok();
        if let Ok(number) = user.parse() {
            return Ok((number, group.unwrap_or(0)));
        }
        let users = self.first_file(cx, id, "/etc/passwd", USERS).await?.unwrap_or_default();
        let found = String::from_utf8_lossy(&users).lines().find_map(|line| {
            let mut fields = line.split(':');
            let matches = fields.next() == Some(user);
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            matches.then_some((uid, group.unwrap_or(gid)))
        });
        // A user that is not there is refused when the container starts.
        Ok(found.unwrap_or((0, 0)))
    }

    /// Returns the beginning of what the command wrote to its result file.
    pub(super) async fn result(&self, cx: &Context, id: &str, path: &str) -> Result<Option<String>> {
        let content = self.first_file(cx, id, path, RESULT).await?;
        Ok(content.map(|content| String::from_utf8_lossy(&content).into_owned()))
    }

    /// Returns the beginning of a file of a container, if there is one.
    async fn first_file(&self, cx: &Context, id: &str, path: &str, keep: usize) -> Result<Option<Vec<u8>>> {
        let Some(archive) = self.daemon.get_archive(cx, id, path).await? else { return Ok(None) };
        let read = async {
            let mut archive = ArchiveReader::new(archive);
            let Some(entry) = archive.next().await? else { return Ok(None) };
            if entry.kind != ArchiveKind::File {
                return Ok(None);
            }
            let mut content = Vec::new();
            while let Some(piece) = archive.read().await? {
                content.extend_from_slice(&piece[..piece.len().min(keep - content.len())]);
                if content.len() == keep {
                    break;
                }
            }
            Ok(Some(content))
        };
        tokio::select! {
            biased;
            error = cx.stopped() => Err(error),
            read = read => read,
        }
    }
}
