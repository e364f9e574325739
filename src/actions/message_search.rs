//! Searching messages: finds candidates in the index, newest first, and reads and compares their texts. So what
//! was edited or deleted a moment ago, or is in a chat that the user has left, is never in an answer.
//!
//! The segments of the index are read from the newest message on, and no more of them once a page is full: a
//! common word is found in the first ones, a rare one has short lists.

use std::collections::{BTreeSet, HashMap};

use tokio::task::spawn_blocking;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::fulltext::{
    Allowed, Highlight, MessageQuery, Posting, TermLookup, Tokenizer, ZonesRange, find,
};
use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::input::Input;
use crate::domain::message::Message;
use crate::domain::page::{Page, PageRequest};
use crate::domain::session::Caller;
use crate::domain::time::Timestamp;
use crate::shares::Holder;
use crate::store::fulltext::lookups;
use crate::store::fulltext::segments::{self, IndexSegment};
use crate::store::least::least_markers;
use crate::store::messages;

use super::access;

/// How large the segments are that are read at first, and how much more each time.
const FIRST_BYTES: i64 = 2 << 20;
const GROWTH: i64 = 16;
/// Messages that are read and compared at first, and at most for a page. A page with fewer results than there are
/// ends where the last one was compared.
const COMPARED: usize = 64;
const COMPARED_MAX: usize = 4_096;
/// From this size on, in bytes, lists and texts are worked on off the runtime.
const LONG: usize = 32_768;

/// Which messages are searched for.
#[derive(Clone, Debug)]
pub struct MessageFilter {
    /// What their texts contain.
    pub query: Option<MessageQuery>,
    /// Only of this sender.
    pub sender: Option<UserId>,
    /// Only those sent after this.
    pub after: Option<Timestamp>,
    /// Only those sent before this.
    pub before: Option<Timestamp>,
    /// Only those with attachments.
    pub has_attachments: bool,
}

/// A message, and where it matches.
#[derive(Debug)]
pub struct FoundMessage {
    /// The message.
    pub message: Message,
    /// Parts of its content.
    pub highlights: Vec<Highlight>,
}

/// A page of the messages in the user's chats, or in one of them, that a filter finds, newest first.
/// [`Error::NotFound`] if the user is no member of that chat.
pub async fn search(
    app: &App,
    caller: &Caller,
    chat: Option<ChatId>,
    filter: Input<MessageFilter>,
    request: Result<PageRequest<MessageId>>,
    size: i64,
) -> Result<Page<FoundMessage, MessageId>> {
    let me = caller.user.id;
    if let Some(chat) = chat {
        access::membership(&app.db, chat, me).await?;
    }
    let (request, filter) = (request?, filter.into_valid()?);
    let query = filter.query.clone().ok_or(Error::NotFound)?;
    let _permit = app.heavy_requests.acquire(Holder::User(me)).await?;
    let chats = lookups::chats(&app.db, me, chat).await?;
    let search = MessageSearch { app, me, query, filter, chats, request };
    let (found, end) = search.run(usize::try_from(size + 1).map_err(Error::internal)?).await?;
    let mut page = Page::of(&search.request, found, size, |found| found.message.id);
    if let Some(end) = end {
        match search.request {
            PageRequest::Before(_) => page.previous = Some(end),
            _ => page.next = Some(end),
        }
    }
    with_statuses(app, &mut page.rows).await?;
    Ok(page)
}

async fn with_statuses(app: &App, rows: &mut [FoundMessage]) -> Result<()> {
    let chats: BTreeSet<_> = rows.iter().map(|found| found.message.chat).collect();
    let chats: Vec<_> = chats.into_iter().collect();
    let least = least_markers(&app.db, &app.laggards, &chats).await?;
    for FoundMessage { message, .. } in rows {
        *message = message.clone().with_status(least.get(&message.chat));
    }
    Ok(())
}

/// A search for one page.
struct MessageSearch<'a> {
    app: &'a App,
    me: UserId,
    query: MessageQuery,
    filter: MessageFilter,
    chats: Vec<ChatId>,
    request: PageRequest<MessageId>,
}

impl MessageSearch<'_> {
    /// Results from the cursor outwards, nearest first. If the search ended before it had as many as wanted or
    /// all, also the last message that was compared.
    async fn run(&self, wanted: usize) -> Result<(Vec<FoundMessage>, Option<MessageId>)> {
        let (mut unread, mut zones) = self.segments().await?;
        let lookups = self.lookups();
        let backwards = matches!(self.request, PageRequest::Before(_));
        let mut limit = if backwards { i64::MAX } else { FIRST_BYTES };
        let (mut candidates, mut results, mut compared) = (BTreeSet::new(), Vec::new(), 0);
        loop {
            // What is newer than all that is unread has its final order.
            let bound = unread.first().map_or(MessageId(i64::MIN), |segment| segment.newest_id);
            while results.len() < wanted {
                let size = COMPARED.max(compared);
                let chunk = take(&mut candidates, bound, backwards, size);
                let Some(last) = chunk.last().copied() else { break };
                compared += chunk.len();
                results.extend(self.compare(chunk).await?);
                if compared >= COMPARED_MAX && results.len() < wanted {
                    return Ok((results, Some(last)));
                }
            }
            if results.len() >= wanted || unread.is_empty() {
                results.truncate(wanted);
                return Ok((results, None));
            }
            let round = next_round(&mut unread, limit);
            limit = limit.saturating_mul(GROWTH);
            candidates.extend(self.candidates(&round, &lookups, &mut zones).await?);
        }
    }

    /// The segments that may have results, the one with the newest message first, with the ranges of ids that a
    /// filter by time leaves.
    async fn segments(&self) -> Result<(Vec<IndexSegment>, HashMap<i64, Vec<ZonesRange>>)> {
        let mut segments = segments::current(&self.app.db).await?;
        if let PageRequest::Before(at) = self.request {
            segments.retain(|segment| segment.newest_id > at);
        }
        let mut ranges = HashMap::new();
        if self.filter.after.is_some() || self.filter.before.is_some() {
            let ids: Vec<_> = segments.iter().map(|segment| segment.id).collect();
            for (id, zones) in segments::zones(&self.app.db, &ids).await? {
                ranges.insert(id, zones.between(self.filter.after, self.filter.before));
            }
            segments.retain(|segment| ranges.get(&segment.id).is_some_and(|it| !it.is_empty()));
        }
        Ok((segments, ranges))
    }

    /// The sender and attachments first, whose lists are often the shortest.
    fn lookups(&self) -> Vec<TermLookup> {
        let sender = self.filter.sender.map(TermLookup::sender);
        let attachments = self.filter.has_attachments.then(TermLookup::attachments);
        sender.into_iter().chain(attachments).chain(self.query.lookups()).collect()
    }

    /// The messages of the user's chats that all lookups find in some segments.
    async fn candidates(
        &self,
        segments: &[IndexSegment],
        lookups: &[TermLookup],
        zones: &mut HashMap<i64, Vec<ZonesRange>>,
    ) -> Result<Vec<MessageId>> {
        let mut found: Option<HashMap<i64, Vec<Posting>>> = None;
        for lookup in lookups {
            let ids: Vec<_> = match &found {
                Some(found) => found.keys().copied().collect(),
                None => segments.iter().map(|segment| segment.id).collect(),
            };
            if ids.is_empty() {
                break;
            }
            let pages = lookups::pages(&self.app.db, &ids, lookup).await?;
            let (lookup, chats) = (lookup.clone(), self.chats.clone());
            let size = pages.iter().map(|(_, data)| data.len()).sum();
            found = Some(run_long(size, move || narrow(found, &pages, &lookup, &chats)).await?);
        }
        let mut ids = Vec::new();
        for (segment, postings) in found.unwrap_or_default() {
            let ranges = zones.remove(&segment);
            let is_met = |id: &MessageId| self.is_ahead(*id) && in_ranges(ranges.as_deref(), *id);
            ids.extend(postings.iter().map(|posting| posting.message).filter(is_met));
        }
        Ok(ids)
    }

    fn is_ahead(&self, id: MessageId) -> bool {
        match self.request {
            PageRequest::First => true,
            PageRequest::After(at) => id < at,
            PageRequest::Before(at) => id > at,
        }
    }

    /// Those of the candidates that match, in their order.
    async fn compare(&self, ids: Vec<MessageId>) -> Result<Vec<FoundMessage>> {
        let rows = messages::readable(&self.app.db, self.me, &ids).await?;
        let filter = self.filter.clone();
        let is_met = |message: &Message| {
            filter.sender.is_none_or(|sender| message.sender.id == sender)
                && filter.after.is_none_or(|after| message.timestamp > after)
                && filter.before.is_none_or(|before| message.timestamp < before)
        };
        let rows: Vec<_> = rows.into_iter().filter(is_met).collect();
        let (query, size) =
            (self.query.clone(), rows.iter().map(|row| row.content.as_str().len()).sum());
        let mut found = run_long(size, move || matching(&query, rows)).await?;
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }
}

/// Runs this, off the runtime if it is about so many bytes that it takes long.
async fn run_long<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    match size < LONG {
        true => Ok(work()),
        false => spawn_blocking(work).await.map_err(Error::internal),
    }
}

/// The first segments that have so many bytes together; at least one.
fn next_round(unread: &mut Vec<IndexSegment>, limit: i64) -> Vec<IndexSegment> {
    let mut total = 0_i64;
    let fits = unread.iter().take_while(|segment| {
        total = total.saturating_add(segment.bytes);
        total <= limit
    });
    let count = fits.count().max(1).min(unread.len());
    unread.drain(..count).collect()
}

/// The next candidates, at most `size`: from the newest on, those after `bound`, or from the oldest on.
fn take(
    candidates: &mut BTreeSet<MessageId>,
    bound: MessageId,
    backwards: bool,
    size: usize,
) -> Vec<MessageId> {
    let next = |candidates: &mut BTreeSet<MessageId>| match backwards {
        true if bound.0 == i64::MIN => candidates.pop_first(),
        true => None,
        false => candidates.last().filter(|id| **id > bound).copied().inspect(|id| {
            candidates.remove(id);
        }),
    };
    std::iter::from_fn(|| next(candidates)).take(size).collect()
}

/// What a lookup finds in its pages, by segment; only what was found before, if something was looked up before.
fn narrow(
    before: Option<HashMap<i64, Vec<Posting>>>,
    pages: &[(i64, Vec<u8>)],
    lookup: &TermLookup,
    chats: &[ChatId],
) -> HashMap<i64, Vec<Posting>> {
    let mut found: HashMap<i64, Vec<Posting>> = HashMap::new();
    for (segment, data) in pages {
        find(data, lookup, Allowed::Chats(chats), found.entry(*segment).or_default());
    }
    for (segment, postings) in &mut found {
        if matches!(lookup, TermLookup::Prefix(_)) {
            postings.sort_unstable();
            postings.dedup();
        }
        if let Some(before) = &before {
            let mut others = before.get(segment).into_iter().flatten().peekable();
            postings.retain(|posting| {
                while others.next_if(|other| *other < posting).is_some() {}
                others.peek() == Some(&posting)
            });
        }
    }
    found.retain(|_, postings| !postings.is_empty());
    found
}

fn in_ranges(ranges: Option<&[ZonesRange]>, id: MessageId) -> bool {
    ranges.is_none_or(|ranges| {
        let after = ranges.partition_point(|(first, _)| *first <= id);
        after > 0 && ranges[after - 1].1 >= id
    })
}

fn matching(query: &MessageQuery, rows: Vec<Message>) -> HashMap<MessageId, FoundMessage> {
    let mut tokenizer = Tokenizer::default();
    let found = rows.into_iter().filter_map(|message| {
        let highlights = query.highlights(&tokenizer.tokens(message.content.as_str()))?;
        Some((message.id, FoundMessage { message, highlights }))
    });
    found.collect()
}
