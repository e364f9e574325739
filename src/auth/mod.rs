//! Secrets: password hashes, tokens and tickets. No HTTP here, and no SQL.

pub mod hashes;
pub mod passwords;
pub mod secrets;
pub mod tokens;
