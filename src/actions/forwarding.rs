//! Forwarding a message: a new message in each of several chats, in one transaction, all or none. The sends are judged
//! as the committer's are.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Instrument;

use crate::app::{App, Sent};
use crate::domain::attachment::NewAttachments;
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::forwards::{Forward, Source};
use crate::domain::ids::{AttachmentId, ChatId, MessageId, UserId};
use crate::domain::input::Input;
use crate::domain::mentions::{Candidates, Mentions};
use crate::domain::message::{Message, NewMessage};
use crate::domain::text::no_such;
use crate::store::post::{self, Numbering, Posted};
use crate::store::sends::Resolved;
use crate::traces;

use super::committer::{CLASH, Verdict, created, existing, judge, publish};
use super::{access, attaching, epoch, mentions};

/// The answer to forwarding a deleted message.
const TOMBSTONE: &str = "A deleted message cannot be forwarded.";

/// Forwards a message. Returns the new messages in the order of the chats; where an earlier request with the same
/// `client_id` forwarded it to one of them, the message that it made there. [`Error::Throttled`] over the rate limit of
/// messages, of which this is one for each chat.
pub async fn forward(
    app: &Arc<App>,
    user: UserId,
    id: MessageId,
    wish: Result<Input<Forward>>,
) -> Result<Vec<Sent>> {
    let count = wish.as_ref().map_or(1, |wish| wish.value.chats.len().max(1));
    let count = u32::try_from(count).map_err(Error::internal)?;
    app.rate_limits.messages(user, count, app.clock.now())?;
    let wish = match wish {
        Ok(wish) => wish,
        Err(error) if error.is_of_the_body() => {
            let is_there = access::message(&app.db, id, user).await?.deleted_at.is_none();
            return Err(if is_there { error } else { Error::Conflict(TOMBSTONE) });
        }
        Err(error) => return Err(error),
    };
    loop {
        let source = access::message(&app.db, id, user).await?;
        let mut forwarding = Forwarding::new(app, user, source, wish.clone());
        let sent = forwarding.run().await;
        forwarding.remove_copies().await?;
        // It is read again if it was edited or deleted meanwhile.
        if let Some(sent) = sent? {
            return Ok(sent);
        }
    }
}

type Judge = post::Judge<Vec<Verdict>>;

/// A request that is being carried out.
struct Forwarding {
    app: Arc<App>,
    user: UserId,
    /// What is forwarded.
    source: Message,
    wish: Forward,
    /// What is wrong with the request so far.
    errors: FieldErrors,
    /// The messages that are there, by their chats.
    sent: HashMap<ChatId, Sent>,
    /// The copies of its attachments.
    copies: Vec<AttachmentId>,
}

impl Forwarding {
    fn new(app: &Arc<App>, user: UserId, source: Message, wish: Input<Forward>) -> Self {
        let Input { value: wish, errors } = wish;
        Self {
            app: Arc::clone(app),
            user,
            source,
            wish,
            errors,
            sent: HashMap::new(),
            copies: Vec::new(),
        }
    }

    /// `None` if the message has changed since it was read.
    async fn run(&mut self) -> Result<Option<Vec<Sent>>> {
        loop {
            let batch = self.batch().await?;
            if batch.is_empty() {
                return self.outcome().map(Some);
            }
            let Some(mut posted) = self.post(&batch).await? else { return Ok(None) };
            let verdicts = std::mem::take(&mut posted.verdicts);
            // What earlier requests made is looked at before anything is written.
            let existing = existing(&self.app, &verdicts).await?;
            self.refuse(&batch, verdicts)?;
            for message in existing.into_values() {
                if !self.is_repeated(&message) {
                    return Err(Error::Conflict(CLASH));
                }
                self.sent.insert(message.chat, Sent { message, created: false });
            }
            for message in created(&batch, &posted) {
                self.sent.insert(message.chat, Sent { message, created: true });
            }
            if !self.may_write() {
                return self.outcome().map(Some);
            }
        }
    }

    fn may_write(&self) -> bool {
        self.errors.is_empty() && self.source.deleted_at.is_none()
    }

    /// The messages that are to be made.
    async fn batch(&mut self) -> Result<Arc<[NewMessage]>> {
        let count = self.wish.chats.iter().filter(|chat| !self.sent.contains_key(chat)).count();
        let mut copies = self.copies(count).await?;
        let origin = Arc::new(self.source.origin_of_forward());
        let candidates = Candidates::of(self.source.content.as_str());
        let missing = self.wish.chats.iter().filter(|chat| !self.sent.contains_key(chat));
        let batch = missing.map(|chat| NewMessage {
            chat: *chat,
            sender: self.user,
            content: self.source.content.clone(),
            reply_to: None,
            client_id: self.wish.client_id.clone(),
            candidates: candidates.clone(),
            mentions: Mentions::default(),
            origin: Some(Arc::clone(&origin)),
            attachments: copies.pop().unwrap_or_default(),
        });
        mentions::of_batch(&self.app, batch.collect()).await
    }

    /// A copy of the attachments for each of so many messages. Those that are not sent are removed again.
    async fn copies(&mut self, count: usize) -> Result<Vec<NewAttachments>> {
        if self.source.attachments().is_empty() || !self.may_write() {
            return Ok(Vec::new());
        }
        let copies = attaching::copies(&self.app, self.user, self.source.id, count).await?;
        self.copies.extend(copies.iter().flat_map(|copy| &copy.ids));
        Ok(copies)
    }

    async fn remove_copies(&self) -> Result<()> {
        match self.copies.is_empty() {
            true => Ok(()),
            false => attaching::remove_unsent(&self.app, &self.copies).await,
        }
    }

    /// Writes and publishes, on a task of its own: a request that is cancelled would otherwise commit without
    /// publishing. `None` if the message has changed since it was read.
    async fn post(&self, batch: &Arc<[NewMessage]>) -> Result<Option<Posted<Vec<Verdict>>>> {
        let (app, batch) = (Arc::clone(&self.app), Arc::clone(batch));
        let Message { chat, id: message, edited_at, .. } = self.source;
        let source = self.may_write().then_some(Source { chat, message, edited_at });
        let judge: Judge = if source.is_some() { judge_together } else { judge_only };
        let posting = async move {
            let (now, started) = (app.clock.now(), Instant::now());
            let posted = post::post_forward(&app.db, &batch, source, now, judge).await?;
            if let Some(posted) = &posted {
                app.metrics.sends.messages.count(batch.len(), started.elapsed());
                app.metrics.sends.created(posted.created.len());
                publish(&app, created(&batch, posted).collect::<Vec<_>>().iter());
                epoch::keep_seen(&app);
            }
            Ok(posted)
        };
        self.app.spawn(posting.instrument(traces::current())).await.map_err(Error::internal)?
    }

    /// What the caller may not do comes first, then the state, and then what is wrong with the request.
    fn refuse(&mut self, batch: &[NewMessage], verdicts: Vec<Verdict>) -> Result<()> {
        let mut conflict = None;
        for (send, verdict) in batch.iter().zip(verdicts) {
            match verdict {
                Verdict::Refused(Error::NotFound) => self.errors.add("chats", no_such(send.chat)),
                Verdict::Refused(Error::Conflict(text)) => conflict = Some(Error::Conflict(text)),
                Verdict::Refused(error) => return Err(error),
                Verdict::New(_) | Verdict::Repeat(_) | Verdict::Existing(_) => {}
            }
        }
        conflict.map_or(Ok(()), Err)
    }

    /// Whether a message with the same `client_id` is what this request asks for. An edited one has no origin any more.
    fn is_repeated(&self, message: &Message) -> bool {
        let is_untouched = message.edited_at.is_none() && message.deleted_at.is_none();
        !is_untouched || message.origin().is_some_and(|origin| origin.message == self.source.id)
    }

    fn outcome(&mut self) -> Result<Vec<Sent>> {
        let sent: Vec<_> =
            self.wish.chats.iter().filter_map(|chat| self.sent.remove(chat)).collect();
        if self.source.deleted_at.is_some()
            && (sent.is_empty() || sent.len() < self.wish.chats.len())
        {
            return Err(Error::Conflict(TOMBSTONE));
        }
        std::mem::take(&mut self.errors).into_result().map(|()| sent)
    }
}

/// Accepts all sends or none, and none as long as one of them was made earlier.
fn judge_together(
    batch: &[NewMessage],
    resolved: &[Option<Resolved>],
) -> (Vec<Verdict>, Vec<Numbering>) {
    let (verdicts, numbered) = judge(batch, resolved);
    let are_new = verdicts.iter().all(|verdict| matches!(verdict, Verdict::New(_)));
    (verdicts, if are_new { numbered } else { Vec::new() })
}

/// Accepts nothing.
fn judge_only(
    batch: &[NewMessage],
    resolved: &[Option<Resolved>],
) -> (Vec<Verdict>, Vec<Numbering>) {
    (judge(batch, resolved).0, Vec::new())
}
