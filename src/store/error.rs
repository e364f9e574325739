//! What the databases' errors mean to us: by kind, never by a constraint's name or a message.

use std::io;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::domain::error::{Cause, Error as DomainError};

use super::rows::Unfit;

/// The result of every query.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What a driver reports, or what we find wrong with a connection or an answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// From PostgreSQL, or on the way to it.
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    /// From the embedded database.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// No answer in time, or no connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The thread of a connection to the embedded database has panicked.
    #[error("the thread of the connection has panicked")]
    Crashed,
    /// The pool was closed: the node is stopping.
    #[error("the database is closed")]
    Closed,
    /// A statement, an argument or a row is not what the code expects.
    #[error("{0}")]
    Wrong(Cause),
}

impl From<Unfit> for Failure {
    fn from(row: Unfit) -> Self {
        Self::wrong(row)
    }
}

impl Failure {
    /// [`Failure::Wrong`], with the reason.
    pub(super) fn wrong(reason: impl Into<Cause>) -> Self {
        Self::Wrong(reason.into())
    }
}

/// A failed query, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with this key already exists: another request was faster.
    #[error("unique constraint: {0}")]
    Unique(#[source] Failure),
    /// A deadlock or a serialisation failure: the database ended this transaction to let another
    /// one go on. The whole transaction may be retried at once.
    #[error("ended in favour of another transaction: {0}")]
    Conflict(#[source] Failure),
    /// The database is unreachable, full, busy, read-only or shutting down; a retry may work later.
    #[error("database unavailable: {0}")]
    Unavailable(#[source] Failure),
    /// The answer to a commit was lost: the commit may have happened.
    #[error("outcome of a commit unknown: {0}")]
    Unknown(#[source] Failure),
    /// A statement of ours is wrong, or the data is.
    #[error("database: {0}")]
    Other(#[source] Failure),
}

impl StoreError {
    /// [`StoreError::Unavailable`] for a reason of our own.
    pub(super) fn unavailable(reason: impl Into<Cause>) -> Self {
        Self::Unavailable(io::Error::other(reason).into())
    }

    /// No answer within a timeout.
    pub(super) fn late(text: String) -> Self {
        Self::Unavailable(io::Error::new(io::ErrorKind::TimedOut, text).into())
    }

    /// Whether another process has SQLite's lock.
    pub(super) fn is_busy(&self) -> bool {
        match self.failure() {
            Failure::Sqlite(error) => code(error).is_some_and(|code| code & 0xff == 5),
            _ => false,
        }
    }

    fn failure(&self) -> &Failure {
        match self {
            Self::Unique(failure)
            | Self::Conflict(failure)
            | Self::Unavailable(failure)
            | Self::Unknown(failure)
            | Self::Other(failure) => failure,
        }
    }

    /// [`StoreError::Unknown`] for a reason of our own.
    pub(super) fn unknown(reason: impl Into<Cause>) -> Self {
        Self::Unknown(io::Error::other(reason).into())
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
            Self::Unavailable(Failure::Io(_) | Failure::Postgres(sqlx::Error::Io(_))) => true,
            Self::Unavailable(Failure::Postgres(sqlx::Error::Database(error))) => {
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

/// Classifies what a driver reports.
impl<E: Into<Failure>> From<E> for StoreError {
    fn from(failure: E) -> Self {
        let failure = failure.into();
        match &failure {
            Failure::Postgres(error) => Self::of_postgres(error)(failure),
            Failure::Sqlite(error) => Self::of_sqlite(code(error))(failure),
            Failure::Io(_) | Failure::Crashed | Failure::Closed => Self::Unavailable(failure),
            Failure::Wrong(_) => Self::Other(failure),
        }
    }
}

impl StoreError {
    fn of_postgres(error: &sqlx::Error) -> fn(Failure) -> Self {
        match error {
            sqlx::Error::Database(database) => match database.kind() {
                ErrorKind::UniqueViolation => Self::Unique,
                ErrorKind::Other => match database.code().as_deref() {
                    Some("40001" | "40P01") => Self::Conflict,
                    Some(code) if is_passing(code) => Self::Unavailable,
                    _ if is_fatal(&**database) => Self::Unavailable,
                    _ => Self::Other,
                },
                _ => Self::Other,
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable,
            _ => Self::Other,
        }
    }

    fn of_sqlite(code: Option<i32>) -> fn(Failure) -> Self {
        // CONSTRAINT_PRIMARYKEY, CONSTRAINT_UNIQUE.
        const TAKEN: [i32; 2] = [1_555, 2_067];
        // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
        const PASSING: [i32; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];
        match code {
            Some(code) if TAKEN.contains(&code) => Self::Unique,
            Some(code) if PASSING.contains(&(code & 0xff)) => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

/// SQLite's extended result code.
fn code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqlInputError { error, .. } => Some(error.extended_code),
        _ => error.sqlite_error().map(|error| error.extended_code),
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
    pub(super) fn of(error: &StoreError) -> Self {
        use sqlx::Error as E;
        match error.failure() {
            Failure::Postgres(E::Database(error)) => {
                error.try_downcast_ref().map_or(Self::None, Self::of_postgres)
            }
            Failure::Postgres(E::Io(_) | E::Tls(_) | E::Protocol(_)) | Failure::Io(_) => Self::Line,
            Failure::Postgres(E::WorkerCrashed) | Failure::Crashed => Self::Connection,
            Failure::Sqlite(error) => code(error).map_or(Self::None, Self::of_sqlite),
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

    fn of_sqlite(code: i32) -> Self {
        // By the manual: IOERR_FSYNC, IOERR_DIR_FSYNC.
        const FLUSHES: [i32; 2] = [1_034, 1_290];
        // These say nothing about the file: ERROR, BUSY, LOCKED, TOOBIG, CONSTRAINT, MISMATCH,
        // RANGE. After others (IOERR, FULL, NOMEM, CORRUPT …) SQLite may have rolled back.
        const HARMLESS: [i32; 7] = [1, 5, 6, 18, 19, 20, 25];
        match code {
            code if FLUSHES.contains(&code) => Self::Disk,
            code if HARMLESS.contains(&(code & 0xff)) => Self::None,
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
fn leaves_commit_open(failure: &Failure) -> bool {
    match failure {
        Failure::Postgres(sqlx::Error::Database(error)) => {
            let code = error.code();
            let class = code.as_deref().and_then(|code| code.get(..2)).unwrap_or_default();
            is_fatal(&**error) || matches!(class, "08" | "58")
        }
        Failure::Sqlite(error) => code(error).is_some_and(|code| code & 0xff == 10),
        Failure::Closed => false,
        _ => true,
    }
}

/// SQLSTATEs of transient errors (appendix A of PostgreSQL's manual).
fn is_passing(code: &str) -> bool {
    // Connection, transaction rollback, insufficient resources (disk full, connections), operator
    // intervention (shutdown, statement timeout), system error.
    const CLASSES: [&str; 5] = ["08", "40", "53", "57", "58"];
    // A server that takes no writes; a transaction that was idle too long; a lock timeout; a plan
    // or prepared statement lost by a schema change or a pooler.
    const SINGLE: [&str; 5] = ["25006", "25P03", "55P03", "0A000", "26000"];
    SINGLE.contains(&code) || CLASSES.iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::{Failure, Harm, StoreError, is_passing};

    #[test]
    fn passing_faults_are_told_from_lasting_ones_by_code() {
        for code in ["57P01", "53100", "40P01", "55P03", "25006"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["42601", "23505", "22021"] {
            assert!(!is_passing(code), "{code}");
        }
        let of_sqlite = |code| StoreError::of_sqlite(Some(code))(Failure::Closed);
        for code in [5, 261, 13, 1_546] {
            assert!(matches!(of_sqlite(code), StoreError::Unavailable(_)), "{code}");
        }
        for code in [1, 11, 787] {
            assert!(matches!(of_sqlite(code), StoreError::Other(_)), "{code}");
        }
        assert!([1_555, 2_067].map(of_sqlite).iter().all(|e| matches!(e, StoreError::Unique(_))));
    }

    #[test]
    fn what_sqlite_may_have_rolled_back_ends_the_connection_and_a_failed_flush_the_process() {
        let harm = Harm::of_sqlite;
        // FULL, IOERR_WRITE, NOMEM, CORRUPT, NOTADB.
        assert!([13, 778, 7, 11, 26].map(harm).iter().all(|harm| *harm == Harm::Connection));
        assert!([1_034, 1_290].map(harm).iter().all(|harm| *harm == Harm::Disk));
        // CONSTRAINT_UNIQUE, BUSY_SNAPSHOT, ERROR.
        assert!([2_067, 517, 1].map(harm).iter().all(|harm| *harm == Harm::None));
    }
}
