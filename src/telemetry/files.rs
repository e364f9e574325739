//! The log's files: one with every line, one with errors alone. Each is renamed at the end of a day (UTC) and when
//! it is full, and old ones are deleted. Where a file cannot be written, the lines go to standard error instead:
//! a full disk stops no server.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write, stderr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Date, Duration};

use crate::config::{LogFileSettings, LogKeep};

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
/// Says which server uses the folder.
const LOCK: &str = ".meowsenger.lock";

/// The files of a server's log.
#[derive(Debug)]
pub(super) struct LogFiles {
    all: LogFile,
    errors: LogFile,
    /// Whether the last lines could not be written.
    has_failed: bool,
    /// Held while the server runs.
    _lock: File,
}

/// A file, and those that it was before.
#[derive(Debug)]
struct LogFile {
    folder: PathBuf,
    name: &'static str,
    file: File,
    bytes: u64,
    /// The day of its lines.
    day: Date,
    bytes_max: u64,
    keep: LogKeep,
}

impl LogFiles {
    /// Makes the folder, if there is none, and opens the files in it, for their owner alone. Fails if another
    /// server uses the folder.
    pub(super) fn open(settings: &LogFileSettings, today: Date) -> io::Result<Self> {
        let folder = &settings.folder;
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = private().truncate(false).open(folder.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::other("another server writes its log there; each needs its own folder")
            }
            TryLockError::Error(error) => error,
        })?;
        let open = |name| LogFile::open(settings, name, today);
        let (all, errors) = (open("meowsenger")?, open("errors")?);
        Ok(Self { all, errors, has_failed: false, _lock: lock })
    }

    /// Writes lines, of which some are errors. Lines that cannot be written go to standard error.
    pub(super) fn write(&mut self, lines: &[u8], errors: &[u8], today: Date) {
        let written = self.all.write(lines, today);
        if written.is_err() {
            // If that fails as well, there is nowhere to report it.
            stderr().write_all(lines).ok();
        }
        let written = written.and(self.errors.write(errors, today));
        self.report(written);
    }

    /// Logs once that the files fail, and once that they work again.
    fn report(&mut self, written: io::Result<()>) {
        match &written {
            Err(error) if !self.has_failed => {
                let folder = self.all.folder.display();
                tracing::error!(%error, "cannot write the log to {folder} (LOG_DIR); its lines go to standard error");
            }
            Ok(()) if self.has_failed => {
                tracing::warn!(
                    "the log is written to LOG_DIR again; standard error has the lines in between"
                );
            }
            _ => {}
        }
        self.has_failed = written.is_err();
    }
}

impl LogFile {
    fn open(settings: &LogFileSettings, name: &'static str, today: Date) -> io::Result<Self> {
        let folder = settings.folder.clone();
        let file = open(&folder, name)?;
        let metadata = file.metadata()?;
        let (bytes, written) = (metadata.len(), metadata.modified()?);
        // A new file has been written now, by a clock that may not be ours.
        let day = if bytes == 0 { today } else { time::OffsetDateTime::from(written).date() };
        let (bytes_max, keep) = (settings.bytes_max, settings.keep);
        let opened = Self { folder, name, file, bytes, day, bytes_max, keep };
        opened.forget(today)?;
        Ok(opened)
    }

    /// Writes whole lines or nothing.
    fn write(&mut self, lines: &[u8], today: Date) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let length = lines.len() as u64;
        let is_due = self.day != today || self.bytes + length > self.bytes_max;
        if self.bytes > 0 && is_due {
            self.rotate(today)?;
        }
        self.day = today;
        if let Err(error) = self.file.write_all(lines) {
            // A part of the lines may be there. The next ones must not continue it.
            self.file.set_len(self.bytes).ok();
            return Err(error);
        }
        self.bytes += length;
        Ok(())
    }

    /// Gives the file the name of its day and the next number of that, and begins a new one.
    fn rotate(&mut self, today: Date) -> io::Result<()> {
        let day = self.day.format(DAY).map_err(io::Error::other)?;
        let prefix = format!("{}-{day}-", self.name);
        let names = self.earlier()?;
        let last =
            names.iter().filter_map(|name| name.strip_prefix(&prefix)?.get(..4)?.parse().ok());
        let number = last.max().unwrap_or(0_u32) + 1;
        let renamed = self.folder.join(format!("{prefix}{number:04}.log"));
        fs::rename(path(&self.folder, self.name), renamed)?;
        self.file = open(&self.folder, self.name)?;
        self.bytes = 0;
        self.forget(today)
    }

    /// Deletes what is older than `LOG_KEEP`.
    fn forget(&self, today: Date) -> io::Result<()> {
        let names = self.earlier()?;
        let old = match self.keep {
            LogKeep::Files(count) => names.len().saturating_sub(count),
            LogKeep::Days(days) => {
                let first = today.saturating_sub(Duration::days(days));
                names.iter().filter(|name| self.day_of(name).is_some_and(|day| day < first)).count()
            }
        };
        names[..old].iter().try_for_each(|name| fs::remove_file(self.folder.join(name)))
    }

    /// The names of the earlier files, oldest first.
    fn earlier(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.folder)?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| self.day_of(name).is_some()).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The day of an earlier file; `None` for any other one.
    fn day_of(&self, name: &str) -> Option<Date> {
        let rest = name.strip_prefix(self.name)?.strip_prefix('-')?.strip_suffix(".log")?;
        let (day, number) = rest.split_at_checked(10)?;
        let is_number = number.strip_prefix('-')?.bytes().all(|byte| byte.is_ascii_digit());
        Date::parse(day, DAY).ok().filter(|_| is_number)
    }
}

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

fn open(folder: &Path, name: &str) -> io::Result<File> {
    private().append(true).open(path(folder, name))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const TODAY: Date = date!(2026 - 11 - 30);

    fn settings(folder: &Path, bytes_max: u64, keep: LogKeep) -> LogFileSettings {
        LogFileSettings { folder: folder.to_owned(), bytes_max, keep }
    }

    /// The files with their contents, in the order of their names.
    fn files(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
        let file = |entry: fs::DirEntry| {
            let text = fs::read_to_string(entry.path()).expect("text");
            (entry.file_name().into_string().expect("a name"), text)
        };
        let mut files: Vec<_> = entries.map(file).filter(|(name, _)| name != LOCK).collect();
        files.sort();
        files
    }

    fn expect(folder: &Path, expected: &[(&str, &str)]) {
        let files = files(folder);
        let files: Vec<_> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(files, expected);
    }

    #[test]
    fn a_file_ends_with_its_day_and_when_it_is_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path(), 8, LogKeep::Files(10));
        let mut files = LogFiles::open(&settings, TODAY).expect("opened");
        files.write(b"one\ntwo\n", b"", TODAY);
        files.write(b"three\n", b"three\n", TODAY);
        files.write(b"four\n", b"", TODAY);
        let tomorrow = TODAY.next_day().expect("a day");
        files.write(b"five\n", b"", tomorrow);
        let expected = [
            ("errors.log", "three\n"),
            ("meowsenger-2026-11-30-0001.log", "one\ntwo\n"),
            ("meowsenger-2026-11-30-0002.log", "three\n"),
            ("meowsenger-2026-11-30-0003.log", "four\n"),
            ("meowsenger.log", "five\n"),
        ];
        expect(folder.path(), &expected);
        assert!(LogFiles::open(&settings, tomorrow).is_err(), "it has one server");
        drop(files);
        // A restart continues the file of the day.
        let file = File::options().write(true).open(folder.path().join("meowsenger.log"));
        let noon = tomorrow.with_hms(12, 0, 0).expect("a time").assume_utc();
        file.and_then(|file| file.set_modified(noon.into())).expect("set");
        LogFiles::open(&settings, tomorrow).expect("opened").write(b"6\n", b"", tomorrow);
        let last = super::tests::files(folder.path()).pop();
        assert_eq!(last, Some(("meowsenger.log".to_owned(), "five\n6\n".to_owned())));
    }

    #[test]
    fn old_files_are_deleted_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in
            ["meowsenger-notes.log", "errors-2026-11-01-0001.log.gz", "other-2026-11-01-0001.log"]
        {
            fs::write(folder.path().join(name), "").expect("written");
        }
        for day in 20..30 {
            for name in ["meowsenger", "errors"] {
                let name = format!("{name}-2026-11-{day}-0001.log");
                fs::write(folder.path().join(name), "").expect("written");
            }
        }
        let count = || files(folder.path()).len();
        let by_day = settings(folder.path(), 99, LogKeep::Days(3));
        drop(LogFiles::open(&by_day, TODAY).expect("opened"));
        assert_eq!(count(), 3 + 2 + 2 * 3, "of the 27th and later");
        let by_count = settings(folder.path(), 99, LogKeep::Files(1));
        drop(LogFiles::open(&by_count, TODAY).expect("opened"));
        assert_eq!(count(), 3 + 2 + 2);
    }

    #[test]
    fn lines_that_cannot_be_written_leave_no_part() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(folder.path(), 99, LogKeep::Files(1));
        let mut files = LogFiles::open(&settings, TODAY).expect("opened");
        files.write(b"one\n", b"", TODAY);
        // Not open for writing, as if the disk failed.
        let broken = File::open(folder.path().join("meowsenger.log")).expect("opened");
        let sound = std::mem::replace(&mut files.all.file, broken);
        files.write(b"two\n", b"", TODAY);
        assert!(files.has_failed);
        files.all.file = sound;
        files.write(b"three\n", b"", TODAY);
        assert!(!files.has_failed);
        expect(folder.path(), &[("errors.log", ""), ("meowsenger.log", "one\nthree\n")]);
    }
}
