//! Searching messages: how texts become tokens, what of them is indexed, in which form, and which texts
//! match a query. The same on every database, because the databases only store pages of bytes. Knows
//! nothing about how they are stored, or who may read what.

mod batch;
mod gaps;
mod lists;
mod lookup;
mod merging;
mod missing;
mod pages;
mod plan;
mod query;
mod terms;
mod tokens;
mod varint;
mod zones;

pub use batch::{IndexBatch, IndexedMessage};
pub use gaps::{Gaps, Horizon};
pub use lists::{Allowed, Posting};
pub use lookup::TermLookup;
pub use merging::merge;
pub use missing::MissingTerms;
pub use pages::{IndexPage, find};
pub use plan::to_merge;
pub use query::{Highlight, MessageQuery};
pub use tokens::{Token, TokenKind, Tokenizer};
pub use zones::{Zones, ZonesRange};

/// Raised when the same text becomes other terms than before: the index is then made anew.
pub const INDEX_RULES: i64 = 1;

#[cfg(test)]
mod tests;
