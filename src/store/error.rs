//! What the databases' errors mean to us: by kind, never by a constraint's name or a message.

use sqlx::error::ErrorKind;

use crate::domain::error::Error as DomainError;

/// The result of every query.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed query, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A row with this key is there already: somebody was faster.
    #[error("unique constraint: {0}")]
    Unique(#[source] sqlx::Error),
    /// The database is away, full, busy or shutting down; the same may work later.
    #[error("database unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// A statement of ours is wrong, or the data is.
    #[error("database: {0}")]
    Other(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match database.kind() {
                ErrorKind::UniqueViolation => Self::Unique(error),
                ErrorKind::Other if database.code().is_some_and(|code| is_passing(&code)) => {
                    Self::Unavailable(error)
                }
                _ => Self::Other(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::BeginFailed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Other(error),
        }
    }
}

impl From<Error> for DomainError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(_) => Self::Unavailable(Box::new(error)),
            Error::Unique(_) | Error::Other(_) => Self::Internal(Box::new(error)),
        }
    }
}

/// Codes of faults that pass: SQLSTATE classes of PostgreSQL (appendix A of its manual), primary
/// result codes of SQLite (the low byte of the extended ones).
fn is_passing(code: &str) -> bool {
    // Connection, transaction rollback (deadlock, serialisation), insufficient resources (disk
    // full), operator intervention (shutdown, statement timeout), system error; lock timeout.
    const POSTGRES: [&str; 5] = ["08", "40", "53", "57", "58"];
    // BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
    const SQLITE: [u32; 8] = [5, 6, 7, 8, 10, 13, 14, 15];
    if code.len() == 5 {
        return code == "55P03" || POSTGRES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::is_passing;

    #[test]
    fn passing_faults_are_told_from_lasting_ones_by_code() {
        for code in ["57P01", "53100", "40P01", "55P03", "5", "261", "13", "1546"] {
            assert!(is_passing(code), "{code}");
        }
        for code in ["42601", "23505", "22021", "1", "2067", "11"] {
            assert!(!is_passing(code), "{code}");
        }
    }
}
