//! Which messages the index does not have as their texts are: for checking it.

use std::collections::HashSet;

use crate::domain::ids::MessageId;

use super::batch::IndexedMessage;
use super::lists::{self, Allowed};
use super::pages;
use super::terms::terms;
use super::tokens::Tokenizer;

/// Terms of messages that were not found in the index so far.
#[derive(Debug)]
pub struct MissingTerms(HashSet<(Vec<u8>, MessageId)>);

impl MissingTerms {
    /// All terms of these messages.
    pub fn of(messages: &[IndexedMessage]) -> Self {
        let mut tokenizer = Tokenizer::default();
        let mut all = HashSet::new();
        for message in messages {
            let tokens = tokenizer.tokens(&message.content);
            all.extend(terms(&tokens).map(|term| (term.into_bytes(), message.id)));
        }
        Self(all)
    }

    /// Removes what a page of the index has.
    pub fn find_in(&mut self, page: &[u8]) {
        let mut postings = Vec::new();
        for (term, list) in pages::entries(page) {
            postings.clear();
            let _ = lists::read(list, Allowed::All, &mut postings);
            for posting in &postings {
                self.0.remove(&(term.to_vec(), posting.message));
            }
        }
    }

    /// The messages of the terms that are left.
    pub fn messages(&self) -> HashSet<MessageId> {
        self.0.iter().map(|(_, message)| *message).collect()
    }
}
