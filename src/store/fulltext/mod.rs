//! The index for searching messages: segments, whose pages are bytes of `domain::fulltext`, and how far it is.
//! Nothing here knows what is in a page, or decides what is written.
//!
//! One node at a time writes. Every transaction that writes begins with [`state::renew`], which fails once
//! another node has taken over.

pub mod feed;
pub mod lookups;
pub mod segments;
pub mod state;
