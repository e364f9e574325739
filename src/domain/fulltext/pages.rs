//! Pages of the index: lists of messages with their terms, in the order of the terms. A page is found by
//! its first term.

use super::lists::{self, Allowed, Posting};
use super::lookup::TermLookup;
use super::varint::{put_bytes, take_bytes};

/// A page has at most about so many bytes: PostgreSQL keeps so small a value within the row. A longer list has a
/// page of its own.
const PAGE_BYTES: usize = 1_800;

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPage {
    /// Its first term.
    pub first: String,
    /// Terms and lists.
    pub data: Vec<u8>,
}

/// Pages of terms with their lists, which are in the order of the terms.
pub(super) fn build(lists: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Vec<IndexPage> {
    let mut pages: Vec<IndexPage> = Vec::new();
    for (term, list) in lists {
        if pages.last().is_none_or(|page| page.data.len() + list.len() > PAGE_BYTES) {
            let first = String::from_utf8_lossy(&term).into_owned();
            pages.push(IndexPage { first, data: Vec::new() });
        }
        if let Some(page) = pages.last_mut() {
            put_bytes(&mut page.data, &term);
            put_bytes(&mut page.data, &list);
        }
    }
    pages
}

/// The terms and lists of a page; ends early if it is damaged.
pub(super) fn entries(mut data: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || Some((take_bytes(&mut data)?, take_bytes(&mut data)?)))
}

/// Appends the allowed messages that a lookup finds in a page.
pub fn find(data: &[u8], lookup: &TermLookup, allowed: Allowed<'_>, out: &mut Vec<Posting>) {
    let from = lookup.from().as_bytes();
    let found = entries(data).skip_while(|(term, _)| *term < from);
    for (_, list) in found.take_while(|(term, _)| lookup.finds(term)) {
        // What is damaged is missing, and `doctor` reports it.
        let _ = lists::read(list, allowed, out);
    }
}
