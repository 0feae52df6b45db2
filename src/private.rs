//! Files and directories for the user of this process alone.
//!
//! What squall keeps lies in directories with the mode 0700, in files with the mode 0600, from
//! the first moment on and whatever the umask. So no other local user reads it, holds it by a
//! lock, or puts something else in its place. Files are opened without following a symbolic
//! link, and without waiting: a link, a pipe or a device in place of a file is a [`NotPrivate`]
//! error. On other systems than Unix files and directories are made as usual.
//!
//! The path of a directory may lead through links: it is what the user has given. What is
//! inside of it may not.
//!
//! ```
//! use std::fs::File;
//! use std::io::Write;
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! squall::private::make_dir(&folder.join("kept"))?;
//! let path = folder.join("kept/file");
//! squall::private::create(&path)?.write_all(b"mine")?;
//! # #[cfg(unix)] {
//! use std::os::unix::fs::{PermissionsExt, symlink};
//! assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o600);
//!
//! let link = folder.join("kept/link");
//! symlink(&path, &link)?;
//! let refused = squall::private::open(File::options().write(true), &link).unwrap_err();
//! assert!(refused.to_string().contains("symbolic link"));
//! # }
//! # Ok::<(), squall::BoxError>(())
//! ```

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Why a file or a directory is not used; the source of an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPrivate {
    /// There is something else in its place.
    #[error("it is {found}, not {wanted}: remove it, or give another directory")]
    OtherKind {
        /// What is there, as `a pipe`.
        found: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// It belongs to somebody else, who could read and replace what is in it.
    #[error(
        "it belongs to user {owner}, and this process runs as user {user}: run it as user \
         {owner}, or give a directory of user {user}"
    )]
    OfAnother {
        /// The user who owns it, by number.
        owner: u32,
        /// The user of this process, by number.
        user: u32,
    },
}

impl From<NotPrivate> for io::Error {
    fn from(why: NotPrivate) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, why)
    }
}

/// What stands at a path, where that is not what belongs there.
fn other_kind(about: &Metadata, wanted: &'static str) -> NotPrivate {
    let kind = about.file_type();
    let found = if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_file() {
        "a file"
    } else {
        special(about)
    };
    NotPrivate::OtherKind { found, wanted }
}

#[cfg(unix)]
fn special(about: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = about.file_type();
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn special(_: &Metadata) -> &'static str {
    "something else"
}

/// Whether a regular file stands at a path; false where nothing does.
///
/// # Errors
/// [`NotPrivate`] where something else stands there, and what the operating system says.
pub fn is_file(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => Ok(true),
        Ok(about) => Err(other_kind(&about, "a file").into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// As [`is_file`], and a socket is fine too.
///
/// # Errors
/// As [`is_file`].
pub fn is_file_or_socket(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket()) {
            return Ok(true);
        }
    }
    is_file(path)
}

/// Opens a file that is kept, or makes it where the options say so.
///
/// # Errors
/// [`NotPrivate`] where something else stands there, and what the operating system says.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Told in words before the flags below let it fail.
    is_file(path)?;
    let file = flags(options).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(other_kind(&about, "a file").into());
    }
    Ok(file)
}

/// Opens a file for reading, as [`open`] does.
///
/// # Errors
/// As [`open`].
pub fn open_to_read(path: &Path) -> io::Result<File> {
    open(File::options().read(true), path)
}

/// Opens a file for reading and writing, and makes it where there is none; as [`open`] does. One
/// that is there is closed to others.
///
/// # Errors
/// As [`open`], and [`NotPrivate`] where it belongs to somebody else.
pub fn open_or_make(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = open(
        options.read(true).write(true).create(true).truncate(false),
        path,
    )?;
    let about = file.metadata()?;
    is_mine(&about)?;
    close_to_others(&about, FILE_MODE, |mode| file.set_permissions(mode))?;
    Ok(file)
}

/// Makes a new, empty file for writing. A file or a link that is there under this name is
/// removed first; what a link leads to stays.
///
/// # Errors
/// Where a directory stands there, and what the operating system says.
pub fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    let file = flags(options.read(true).write(true).create_new(true)).open(path)?;
    // A umask may have taken away even what its owner needs.
    close_to_others(&file.metadata()?, FILE_MODE, |mode| {
        file.set_permissions(mode)
    })?;
    Ok(file)
}

/// Makes a directory that is kept, with those above it, which get the usual rights; or takes
/// one that is there, as [`take_dir`] does. Says whether it has made it.
///
/// # Errors
/// As [`take_dir`], and where it cannot be made.
pub fn make_dir(dir: &Path) -> io::Result<bool> {
    if let Some(above) = dir.parent().filter(|above| *above != Path::new("")) {
        fs::create_dir_all(above)?;
    }
    let made = match dir_builder().create(dir) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    take_dir(dir)?;
    Ok(made)
}

/// As [`make_dir`], for a directory inside of one that is kept: a link in its place is refused.
/// What is kept inside is replaced and deleted by name, and whom the place belongs to that a
/// link leads to nobody has looked at.
///
/// # Errors
/// As [`make_dir`], and [`NotPrivate`] where a link stands there.
pub fn make_dir_inside(dir: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(dir) {
        Ok(about) if !about.is_dir() => Err(other_kind(&about, "a directory").into()),
        _ => make_dir(dir),
    }
}

/// Takes a directory for what is kept: it must be this user's, and from now on nobody else has
/// rights to it, which the log says where others had some.
///
/// # Errors
/// [`NotPrivate`] where it is none, or somebody else's; and what the operating system says.
pub fn take_dir(dir: &Path) -> io::Result<()> {
    let about = fs::metadata(dir)?;
    if !about.is_dir() {
        return Err(other_kind(&about, "a directory").into());
    }
    is_mine(&about)?;
    let closed = close_to_others(&about, DIR_MODE, |mode| fs::set_permissions(dir, mode))?;
    if let Some(mode) = closed {
        let dir = dir.display();
        tracing::warn!(
            "`{dir}` was open to other users (mode {mode:03o}): its mode is {DIR_MODE:03o} now"
        );
    }
    Ok(())
}

/// The rights of a directory that is kept.
const DIR_MODE: u32 = 0o700;

/// The rights of a file that is kept.
const FILE_MODE: u32 = 0o600;

#[cfg(unix)]
mod system {
    use std::fs::{DirBuilder, Metadata, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};

    use rustix::fs::OFlags;

    use crate::private::{DIR_MODE, FILE_MODE, NotPrivate};

    /// Neither follows a link nor waits for the other end of a pipe.
    pub(super) fn flags(options: &mut OpenOptions) -> &mut OpenOptions {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options
            .mode(FILE_MODE)
            .custom_flags(flags.bits().cast_signed())
    }

    pub(super) fn dir_builder() -> DirBuilder {
        let mut builder = DirBuilder::new();
        builder.mode(DIR_MODE);
        builder
    }

    pub(super) fn is_mine(about: &Metadata) -> Result<(), NotPrivate> {
        let (owner, user) = (about.uid(), rustix::process::geteuid().as_raw());
        if owner != user {
            return Err(NotPrivate::OfAnother { owner, user });
        }
        Ok(())
    }

    /// Sets these rights where others are set; gives the ones before where other users had some.
    pub(super) fn close_to_others(
        about: &Metadata,
        wanted: u32,
        set: impl FnOnce(Permissions) -> io::Result<()>,
    ) -> io::Result<Option<u32>> {
        let mode = about.mode() & 0o777;
        if mode == wanted {
            return Ok(None);
        }
        set(Permissions::from_mode(wanted))?;
        Ok((mode & 0o077 != 0).then_some(mode))
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::{DirBuilder, Metadata, OpenOptions, Permissions};
    use std::io;

    use crate::private::NotPrivate;

    pub(super) fn flags(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    pub(super) fn dir_builder() -> DirBuilder {
        DirBuilder::new()
    }

    pub(super) fn is_mine(_: &Metadata) -> Result<(), NotPrivate> {
        Ok(())
    }

    pub(super) fn close_to_others(
        _: &Metadata,
        _: u32,
        _: impl FnOnce(Permissions) -> io::Result<()>,
    ) -> io::Result<Option<u32>> {
        Ok(None)
    }
}

use system::{close_to_others, dir_builder, flags, is_mine};

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    fn refused<T>(done: io::Result<T>) -> NotPrivate {
        let error = done.err().unwrap();
        *error.get_ref().unwrap().downcast_ref().unwrap()
    }

    fn pipe(path: &Path) {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
    }

    #[test]
    fn nothing_is_written_through_a_link_and_no_pipe_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let [target, link, waits, dir] =
            ["target", "link", "pipe", "dir"].map(|name| root.path().join(name));
        fs::write(&target, "of somebody else").unwrap();
        symlink(&target, &link).unwrap();
        pipe(&waits);
        fs::create_dir(&dir).unwrap();
        for (path, found) in [
            (&link, "a symbolic link"),
            (&waits, "a pipe"),
            (&dir, "a directory"),
            (&"/dev/null".into(), "a device"),
        ] {
            let wanted = "a file";
            let error = NotPrivate::OtherKind { found, wanted };
            assert_eq!(refused(open_or_make(path)), error);
            assert_eq!(refused(open_to_read(path)), error);
        }
        // Also where the link comes between the look and the opening.
        assert!(flags(File::options().write(true)).open(&link).is_err());
        create(&link).unwrap().write_all(b"mine").unwrap();
        create(&waits).unwrap().write_all(b"mine").unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"mine");
        assert_eq!(fs::read(&target).unwrap(), b"of somebody else");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_is_there_is_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        assert!(make_dir(&dir).unwrap());
        assert_eq!(mode(&dir), DIR_MODE);
        let file = dir.join("file");
        drop(open_or_make(&file).unwrap());
        assert_eq!(mode(&file), FILE_MODE);

        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!make_dir(&dir).unwrap());
        drop(open_or_make(&file).unwrap());

        assert_eq!((mode(&dir), mode(&file)), (DIR_MODE, FILE_MODE));
    }

    #[test]
    fn a_directory_inside_is_no_link() {
        let root = tempfile::tempdir().unwrap();
        let link = root.path().join("link");
        symlink(root.path(), &link).unwrap();
        let (found, wanted) = ("a symbolic link", "a directory");
        let error = NotPrivate::OtherKind { found, wanted };
        assert_eq!(refused(make_dir_inside(&link)), error);
        // What the user names may be one.
        assert!(!make_dir(&link).unwrap());
    }
}
