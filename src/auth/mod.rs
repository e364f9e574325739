//! Secrets: password hashes, tokens and tickets; and who has tried too often. No HTTP here, and no SQL.

pub mod hashes;
mod meter;
pub mod passwords;
pub mod rate_limits;
pub mod secrets;
pub mod tokens;
