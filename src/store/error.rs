//! What the databases' errors mean to us: by kind, never by a constraint's name or a message.

use std::io;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::domain::error::{Cause, Error as DomainError};

/// The result of every query.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A failed query, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with this key already exists: another request was faster.
    #[error("unique constraint: {0}")]
    Unique(#[source] sqlx::Error),
    /// A deadlock or a serialisation failure: the database ended this transaction to let another
    /// one go on. The whole transaction may be retried at once.
    #[error("ended in favour of another transaction: {0}")]
    Conflict(#[source] sqlx::Error),
    /// The database is unreachable, full, busy, read-only or shutting down; a retry may work later.
    #[error("database unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The answer to a commit was lost: the commit may have happened.
    #[error("outcome of a commit unknown: {0}")]
    Unknown(#[source] sqlx::Error),
    /// A statement of ours is wrong, or the data is.
    #[error("database: {0}")]
    Other(#[source] sqlx::Error),
}

impl StoreError {
    /// [`StoreError::Unavailable`] for a reason of our own.
    pub(super) fn unavailable(reason: impl Into<Cause>) -> Self {
        Self::Unavailable(sqlx::Error::Io(io::Error::other(reason)))
    }

    /// [`StoreError::Unknown`] for a reason of our own.
    pub(super) fn unknown(reason: impl Into<Cause>) -> Self {
        Self::Unknown(sqlx::Error::Io(io::Error::other(reason)))
    }

    /// What this failure means if the commit itself failed, or a statement that commits itself.
    pub(super) fn at_commit(self) -> Self {
        match self {
            Self::Unavailable(error) if leaves_commit_open(&error) => Self::Unknown(error),
            other => other,
        }
    }

    /// Whether opening a connection may succeed a moment later: nobody listens yet, the server is
    /// starting or full, or takes no writes during a switchover.
    pub(super) fn is_of_a_start(&self) -> bool {
        match self {
            Self::Unavailable(sqlx::Error::Io(_)) => true,
            Self::Unavailable(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03" | "53300"))
            }
            _ => false,
        }
    }
}

/// Whether the whole transaction may be retried at once after this error.
pub fn is_conflict(cause: &Cause) -> bool {
    matches!(cause.downcast_ref(), Some(StoreError::Conflict(_)))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match database.kind() {
                ErrorKind::UniqueViolation => Self::Unique(error),
                ErrorKind::Other => match database.code().as_deref() {
                    Some("40001" | "40P01") => Self::Conflict(error),
                    Some(code) if is_passing(code) => Self::Unavailable(error),
                    _ if is_fatal(&**database) => Self::Unavailable(error),
                    _ => Self::Other(error),
                },
                _ => Self::Other(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Other(error),
        }
    }
}

impl From<StoreError> for DomainError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Conflict(_) => {
                Self::Unavailable(Box::new(error))
            }
            StoreError::Unknown(_) => Self::OutcomeUnknown(Box::new(error)),
            StoreError::Unique(_) | StoreError::Other(_) => Self::Internal(Box::new(error)),
        }
    }
}

/// What an error says about the connection on which it occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// Nothing: the connection is fine.
    None,
    /// Do not use this connection again, for example because SQLite has rolled back by itself.
    Connection,
    /// The connection is dead, or leads to a server that takes no writes. Other connections are
    /// probably useless too.
    Line,
    /// A flush failed. Whatever the disk says from now on, earlier writes may be gone. (SQLite does
    /// not report a failed flush of a checkpoint: the log, which was flushed, still has those
    /// pages, and the next checkpoint writes them again.)
    Disk,
}

impl Harm {
    pub(super) fn of(error: &sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => Self::of_postgres(error),
                None => Self::of_sqlite(error.code().and_then(|code| code.parse().ok())),
            },
            E::Io(_) | E::Tls(_) | E::Protocol(_) => Self::Line,
            E::WorkerCrashed => Self::Connection,
            _ => Self::None,
        }
    }

    fn of_postgres(error: &PgDatabaseError) -> Self {
        match error.code() {
            "25006" => Self::Line,
            code if code.starts_with("08") || is_fatal(error) => Self::Line,
            // The server no longer knows a plan or a prepared statement.
            "0A000" | "26000" => Self::Connection,
            _ => Self::None,
        }
    }

    fn of_sqlite(code: Option<u32>) -> Self {
        // By the manual: IOERR_FSYNC, IOERR_DIR_FSYNC.
        const FLUSHES: [u32; 2] = [1_034, 1_290];
        // These say nothing about the file: ERROR, BUSY, LOCKED, TOOBIG, CONSTRAINT, MISMATCH,
        // RANGE. After others (IOERR, FULL, NOMEM, CORRUPT …) SQLite may have rolled back.
        const HARMLESS: [u32; 7] = [1, 5, 6, 18, 19, 20, 25];
        match code {
            Some(code) if FLUSHES.contains(&code) => Self::Disk,
            Some(code) if HARMLESS.contains(&(code & 0xff)) => Self::None,
            _ => Self::Connection,
        }
    }
}

/// Whether PostgreSQL closes the connection after this error.
fn is_fatal(error: &(dyn DatabaseError + 'static)) -> bool {
    error
        .try_downcast_ref::<PgDatabaseError>()
        .is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Whether a commit may have happened despite this error: the connection was lost during it, or the
/// server went down. An error after which PostgreSQL keeps the connection ended the transaction, unless it
/// comes from something in between (08). After an I/O error SQLite's frames may be in the log.
fn leaves_commit_open(error: &sqlx::Error) -> bool {
    let sqlite_io = |error: &dyn DatabaseError| {
        error.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 10)
    };
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code();
            let class = code.as_deref().and_then(|code| code.get(..2)).unwrap_or_default();
            match error.try_downcast_ref::<PgDatabaseError>() {
                Some(_) => is_fatal(&**error) || matches!(class, "08" | "58"),
                None => sqlite_io(&**error),
            }
        }
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => false,
        _ => true,
    }
}

/// Codes of transient errors: SQLSTATEs of PostgreSQL (appendix A of its manual), primary result
/// codes of SQLite (the low byte of the extended ones).
fn is_passing(code: &str) -> bool {
    // Connection, transaction rollback, insufficient resources (disk full, connections), operator
    // intervention (shutdown, statement timeout), system error.
    const CLASSES: [&str; 5] = ["08", "40", "53", "57", "58"];
    // A server that takes no writes; a transaction that was idle too long; a lock timeout; a plan
    // or prepared statement lost by a schema change or a pooler.
    const SINGLE: [&str; 5] = ["25006", "25P03", "55P03", "0A000", "26000"];
    // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
    const SQLITE: [u32; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];
    if code.len() == 5 {
        return SINGLE.contains(&code) || CLASSES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::{Harm, is_passing};

    #[test]
    fn passing_faults_are_told_from_lasting_ones_by_code() {
        for code in ["57P01", "53100", "40P01", "55P03", "25006", "5", "261", "13", "1546"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["42601", "23505", "22021", "1", "2067", "11"] {
            assert!(!is_passing(code), "{code}");
        }
    }

    #[test]
    fn what_sqlite_may_have_rolled_back_ends_the_connection_and_a_failed_flush_the_process() {
        let harm = |code| Harm::of_sqlite(Some(code));
        // FULL, IOERR_WRITE, NOMEM, CORRUPT, NOTADB.
        assert!([13, 778, 7, 11, 26].map(harm).iter().all(|harm| *harm == Harm::Connection));
        assert!([1_034, 1_290].map(harm).iter().all(|harm| *harm == Harm::Disk));
        // CONSTRAINT_UNIQUE, BUSY_SNAPSHOT, ERROR.
        assert!([2_067, 517, 1].map(harm).iter().all(|harm| *harm == Harm::None));
    }
}
