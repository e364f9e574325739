//! Messages that are indexed together, as the pages of a segment.

use std::collections::HashMap;

use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::time::Timestamp;

use super::lists::{self, Posting};
use super::pages::{self, IndexPage};
use super::terms::{ATTACHMENTS, of_sender, terms};
use super::tokens::Tokenizer;
use super::zones::Zones;

/// A message, as it is indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedMessage {
    /// The message.
    pub id: MessageId,
    /// Its chat.
    pub chat: ChatId,
    /// Who has sent it.
    pub sender: UserId,
    /// When.
    pub timestamp: Timestamp,
    /// Its text.
    pub content: String,
    /// Whether it has attachments, which never changes.
    pub has_attachments: bool,
}

/// Messages that are indexed together.
#[derive(Debug, Default)]
pub struct IndexBatch {
    tokenizer: Tokenizer,
    postings: HashMap<String, Vec<Posting>>,
    times: Vec<(MessageId, Timestamp)>,
}

impl IndexBatch {
    /// Adds a message.
    pub fn add(&mut self, message: &IndexedMessage) {
        let tokens = self.tokenizer.tokens(&message.content);
        let posting = Posting { chat: message.chat, message: message.id };
        let attachments = message.has_attachments.then(|| ATTACHMENTS.to_owned());
        for term in terms(&tokens).chain([of_sender(message.sender)]).chain(attachments) {
            self.postings.entry(term).or_default().push(posting);
        }
        self.times.push((message.id, message.timestamp));
    }

    /// The pages of their segment, in order, and when its messages were sent.
    pub fn finish(self) -> (Vec<IndexPage>, Zones) {
        let mut postings: Vec<_> = self.postings.into_iter().collect();
        postings.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let lists = postings.into_iter().map(|(term, mut list)| {
            let mut bytes = Vec::new();
            lists::write(&mut list, &mut bytes);
            (term.into_bytes(), bytes)
        });
        (pages::build(lists), Zones::of(self.times))
    }
}
