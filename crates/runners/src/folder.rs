//! A folder of the host that content is written into which cannot be trusted: nothing is written
//! through a link, and nothing outside of it.

#![expect(
    clippy::disallowed_methods,
    reason = "volumes are copied to and from folders of the host, which are not sources"
)]

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
};

use shipway_core::{Context, Error, Level, Result};

/// The permission bits that are kept: a command that made a file with setuid in a container gets none
/// on the host.
const BITS: u32 = 0o777;

/// A folder to write into.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Returns the folder, which is made with those above it if it is missing.
    pub(crate) fn make(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| Error::io("make", root, error))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Returns a new folder that nobody but its owner can look into.
    pub(crate) fn make_private(root: &Path) -> Result<Self> {
        let made = fs::DirBuilder::new().mode(0o700).create(root);
        made.map_err(|error| Error::io("make", root, error))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Makes a folder.
    pub(crate) fn folder(&self, path: &str, mode: u32) -> Result<()> {
        let place = self.place(path)?;
        self.make_folder(&place)?;
        // The owner must be able to write what is in it, and to remove it later.
        let mode = fs::Permissions::from_mode(mode & BITS | 0o700);
        fs::set_permissions(&place, mode).map_err(|error| Error::io("write", &place, error))
    }

    /// Makes a file and returns it, to be written.
    pub(crate) fn file(&self, path: &str, mode: u32) -> Result<fs::File> {
        let place = self.place(path)?;
        self.clear(&place)?;
        let failed = |error| Error::io("write", &place, error);
        let file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place).map_err(failed)?;
        file.set_permissions(fs::Permissions::from_mode(mode & BITS)).map_err(failed)?;
        Ok(file)
    }

    /// Makes a symbolic link; it is not followed.
    pub(crate) fn link(&self, path: &str, text: &str) -> Result<()> {
        let place = self.place(path)?;
        self.clear(&place)?;
        symlink(text, &place).map_err(|error| Error::io("write", &place, error))
    }

    /// Makes a file with the content of another one here.
    pub(crate) fn hard_link(&self, path: &str, other: &str) -> Result<()> {
        let (place, other) = (self.place(path)?, self.place(other)?);
        if place == other {
            return Ok(());
        }
        self.clear(&place)?;
        fs::hard_link(&other, &place).map_err(|error| Error::io("write", &place, error))
    }

    /// Returns where a path is, and makes the folders above it.
    fn place(&self, path: &str) -> Result<PathBuf> {
        let mut place = self.root.clone();
        let steps: Vec<Component<'_>> =
            Path::new(path).components().filter(|step| !matches!(step, Component::CurDir)).collect();
        for (index, step) in steps.iter().enumerate() {
            let Component::Normal(name) = step else {
                return Err(Error::bad_output(format!("`{path}` leads out of the volume")));
            };
            if index > 0 {
                self.make_folder(&place)?;
            }
            place.push(name);
        }
        Ok(place)
    }

    /// Makes a folder in the place of whatever is no folder.
    fn make_folder(&self, place: &Path) -> Result<()> {
        match fs::symlink_metadata(place) {
            Ok(there) if there.is_dir() => return Ok(()),
            Ok(_) => self.clear(place)?,
            Err(_) => {}
        }
        fs::create_dir(place).map_err(|error| Error::io("make", place, error))
    }

    /// Takes away what is in the place of a file.
    fn clear(&self, place: &Path) -> Result<()> {
        let failed = |error| Error::io("remove", place, error);
        match fs::symlink_metadata(place) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(place).map_err(failed),
            Ok(_) => fs::remove_file(place).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Copies all that is in another folder, which is the host's own.
    pub(crate) fn copy_from(&self, cx: &Context, from: &Path) -> Result<()> {
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let place = from.join(&folder);
            let failed = |error| Error::io("read", &place, error);
            for entry in fs::read_dir(&place).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let source = entry.path();
                let failed = |error| Error::io("read", &source, error);
                let there = fs::symlink_metadata(&source).map_err(failed)?;
                let path = folder.join(entry.file_name());
                let Some(name) = path.to_str() else {
                    return Err(Error::bad_output(format!("the name of `{}` is not text", source.display())));
                };
                let mode = there.permissions().mode();
                if there.is_dir() {
                    self.folder(name, mode)?;
                    folders.push(path.clone());
                } else if there.is_symlink() {
                    let text = fs::read_link(&source).map_err(failed)?;
                    self.link(name, &text.to_string_lossy())?;
                } else if there.is_file() {
                    let mut content = fs::File::open(&source).map_err(failed)?;
                    io::copy(&mut content, &mut self.file(name, mode)?).map_err(failed)?;
                } else {
                    warn_of_special(cx, name);
                }
            }
        }
        Ok(())
    }
}

/// Says that something is left behind that is neither a file, a folder nor a link.
pub(crate) fn warn_of_special(cx: &Context, path: &str) {
    cx.message(Level::Warning, format!("`{path}` is a FIFO, a socket or a device and is not copied back"));
}

/// Removes a folder with all in it; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// Moves a folder to its place, unless there is one already.
pub(crate) fn settle(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Ok(()) => Ok(()),
        // Whoever opened it at the same time was first.
        Err(_) if to.is_dir() => remove(from),
        Err(error) => Err(Error::io("make", to, error)),
    }
}

/// Returns whether a folder is there, which must belong to the owner of another one: where others may
/// write too, they may have made it first.
pub(crate) fn is_there(path: &Path, own: &Path) -> Result<bool> {
    let look = |path: &Path| fs::symlink_metadata(path);
    let there = match look(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there.map_err(|error| Error::io("read", path, error))?,
    };
    let own = look(own).map_err(|error| Error::io("read", own, error))?;
    if there.is_dir() && there.uid() == own.uid() {
        return Ok(true);
    }
    Err(Error::conflict(format!("`{}` is somebody else's", path.display()))
        .hint("remove it, or choose a scratch folder where nobody else can write"))
}

/// Returns the first bytes of a file, or `None` when there is none, or something else.
pub(crate) fn beginning(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    use io::Read;
    // To open a FIFO is to wait for a writer.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

/// Lets nobody but the owner read a file.
pub(crate) fn protect(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o400))
        .map_err(|error| Error::io("write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_also_over_links_that_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let into = Folder::make(&folder.path().join("in")).unwrap();
        for path in ["../x", "/etc/x", "a/../../x", ".."] {
            assert!(into.file(path, 0o644).is_err(), "{path}");
            assert!(into.link(path, "x").is_err(), "{path}");
        }
        into.link("way", outside.to_str().unwrap()).unwrap();
        into.file("way/file", 0o644).unwrap();
        into.link("hard", outside.to_str().unwrap()).unwrap();
        assert!(into.hard_link("stolen", "hard/nothing").is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}
