//! Password hashes, tokens, random and signed strings, and rate limits in memory. Knows no HTTP and no SQL.

pub mod hashes;
mod meter;
pub mod passwords;
pub mod rate_limits;
pub mod secrets;
pub mod tokens;
