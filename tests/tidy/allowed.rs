//! Exceptions from the checks, to be removed. Each list is exact: a check also fails if an entry is no
//! longer needed, so the lists only get shorter.

/// Cycles of files that name each other.
pub(crate) const CYCLES: &[&[&str]] = &[];

/// Names that several public types have. `Arguments` are those of each subcommand, and `Result` is
/// each module's own alias.
#[rustfmt::skip] // one a line
pub(crate) const SHARED_NAMES: &[&str] = &[
    "Result",
];

/// Files with banned words (`words::BANNED`), in their texts or headers.
pub(crate) const QUAINT_FILES: &[&str] = &[];
