//! Whether a file is on a network file system, by Linux's table of mounts.

use std::fs;
use std::path::{Path, PathBuf};

/// Names of file systems whose locks and shared memory are not those of one machine.
const NETWORKED: [&str; 16] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
];

/// The name of the network file system that holds a file or will hold it; `None` if it is a local one, or
/// if that cannot be known.
pub(super) fn networked(file: &Path) -> Option<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    // The file may not exist yet.
    let existing = file.ancestors().find_map(|path| path.canonicalize().ok())?;
    let kind = file_system(&table, &existing)?;
    NETWORKED.contains(&&*kind).then_some(kind)
}

/// The file system of the deepest mount above a path. Of several on one folder the last one counts.
fn file_system(table: &str, path: &Path) -> Option<String> {
    let mounts = table.lines().filter_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let folder = PathBuf::from(unescaped(mount.split(' ').nth(4)?));
        let depth = folder.components().count();
        path.starts_with(&folder).then(|| (depth, kind.split(' ').next().unwrap_or_default()))
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind.to_owned())
}

/// Spaces, tabs, line feeds and backslashes are written in octal.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_holds_a_file() {
        let table = "\
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            30 22 0:40 / /srv/our\\040data rw - nfs4 nas:/export rw\n\
            31 22 0:41 / /srv/our\\040data/fast rw - xfs /dev/sdb rw\n\
            32 22 0:42 / /mnt rw - ext4 /dev/sdc rw\n\
            33 32 0:43 / /mnt rw - cifs //nas/x rw\n";
        for (path, kind) in [
            ("/etc", "ext4"),
            ("/srv/our data", "nfs4"),
            ("/srv/our data/a/b", "nfs4"),
            ("/srv/our data/fast/x", "xfs"),
            ("/srv/our datasheet", "ext4"),
            ("/mnt/x", "cifs"),
        ] {
            assert_eq!(file_system(table, Path::new(path)).as_deref(), Some(kind), "{path}");
        }
        assert_eq!(file_system("", Path::new("/")), None);
    }
}
