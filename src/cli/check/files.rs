//! Files and folders that other users of this machine can read or change, and where they are.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Config, MediaUrl, Variables};
use crate::store::open::sqlite_files;

use super::finding::Finding;
use super::mounts::networked;

/// The rights of the group and of others, and of others alone.
const NOT_THE_OWNER: u32 = 0o077;
const OTHERS: u32 = 0o007;
const OTHERS_WRITE: u32 = 0o002;

/// The server's own data: messages, password hashes, and the key that signs tokens.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let data = &config.database.data_dir;
    let files = config.database.sqlite_file().map(|file| sqlite_files(&file));
    let mut findings = Vec::new();
    findings.extend(files.into_iter().flatten().filter_map(|file| {
        let mode = mode(&file)?;
        (mode & NOT_THE_OWNER != 0).then(|| readable("files.W101", &file, mode, "600"))
    }));
    findings.extend(
        [(data.join("secret_key"), "600"), (data.clone(), "700")].into_iter().filter_map(
            |(path, wanted)| {
                let mode = mode(&path)?;
                (mode & OTHERS != 0).then(|| readable("files.W102", &path, mode, wanted))
            },
        ),
    );
    findings
}

/// Files of secrets that the operator made. A group may read them: it may be the server's.
pub(super) fn check_secrets(variables: &Variables, file: &Variables) -> Vec<Finding> {
    let secrets = Config::secret_names();
    let mut paths = Vec::new();
    if secrets.iter().any(|name| file.contains_key(*name)) {
        paths.push(PathBuf::from(".env"));
    }
    let files = secrets.iter().map(|name| format!("{name}_FILE"));
    let files = files.chain(["BUS_CREDENTIALS", "BUS_TLS_KEY"].map(str::to_owned));
    paths.extend(files.filter_map(|name| variables.get(&name)).map(PathBuf::from));
    // Container platforms mount secrets readable by all there: in a file system of the container alone.
    let ours = paths.into_iter().filter(|path| !path.starts_with("/run/secrets"));
    let readable = |path: PathBuf| {
        let mode = mode(&path)?;
        (mode & OTHERS != 0).then(|| readable("files.W103", &path, mode, "600"))
    };
    ours.filter_map(readable).collect()
}

/// Where files are: a database on a network file system, pictures that anybody here may replace, a log that
/// anybody here may read.
pub(super) fn check_places(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let database = config.database.sqlite_file();
    if let Some((file, kind)) = database.and_then(|file| networked(&file).map(|kind| (file, kind)))
    {
        let text = format!(
            "It is on a network file system ({kind}), whose locks and flushes cannot be relied on: the \
             database can be corrupted, and acknowledged messages lost."
        );
        let hint = "Use a local disk, or PostgreSQL for several machines.";
        findings.push(Finding::new("files.W104", file.display().to_string(), text, hint));
    }
    if let MediaUrl::Folder(Some(folder)) = &config.media.url
        && let Some(mode) = mode(folder).filter(|mode| mode & OTHERS_WRITE != 0)
    {
        let path = folder.display().to_string();
        let text =
            format!("It has mode {mode:04o}: other users of this machine can replace pictures.");
        let hint = format!("Run `chmod o-w {path}`.");
        findings.push(Finding::new("files.W105", path, text, hint));
    }
    if let Some(log) = &config.logging.files
        && let Some(mode) = mode(&log.folder).filter(|mode| mode & OTHERS != 0)
    {
        findings.push(readable("files.W106", &log.folder, mode, "750"));
    }
    findings
}

fn mode(path: &Path) -> Option<u32> {
    Some(path.metadata().ok()?.permissions().mode() & 0o777)
}

fn readable(id: &'static str, path: &Path, mode: u32, wanted: &str) -> Finding {
    let path = path.display().to_string();
    let text = format!("It has mode {mode:04o}: other users of this machine can read it.");
    let hint = format!("Run `chmod {wanted} {path}`.");
    Finding::new(id, path, text, hint)
}
