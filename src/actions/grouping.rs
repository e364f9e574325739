//! Changes of a group, collected in one unit of work: each takes its own version and is published to the
//! right users. Checks no permission: `chats`, `members` and `accounts` do so before.

use std::sync::Arc;

use crate::app::App;
use crate::domain::chat::{Chat, Member};
use crate::domain::error::{Error, Result};
use crate::domain::event::{Change, ChatEvent, Departed, Event, Newcomer};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::message::Message;
use crate::domain::numbering::Version;
use crate::domain::role::Role;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::least::least_markers;
use crate::store::member_chats::ChatOfMember;
use crate::store::{Tx, chats, departures, members};

use super::unit::Unit;

/// The changes of a chat, whose row the unit has locked.
#[derive(Debug)]
pub(super) struct Grouping {
    chat: ChatOfMember,
    now: Timestamp,
    changes: Vec<Change>,
    newcomers: Vec<Newcomer>,
    /// Who leaves, and by which of the changes.
    departed: Vec<(UserId, usize)>,
}

impl Grouping {
    /// No changes so far.
    pub(super) fn of(chat: ChatOfMember, now: Timestamp) -> Self {
        let (changes, newcomers, departed) = (Vec::new(), Vec::new(), Vec::new());
        Self { chat, now, changes, newcomers, departed }
    }

    /// The chat's id.
    fn id(&self) -> ChatId {
        self.chat.chat.id
    }

    /// Sets name, description and avatar to those of `chat`, if they differ.
    pub(super) async fn describe(&mut self, tx: &mut Tx, chat: Chat) -> Result<()> {
        let old = &self.chat.chat;
        let same = (&old.name, &old.description, &old.avatar)
            == (&chat.name, &chat.description, &chat.avatar);
        if !same {
            chats::update(tx, &chat).await?;
            self.chat.chat = chat;
            // The final state: see `commit`.
            self.changes.push(Change::ChatUpdated(Arc::new(self.chat.chat.clone())));
        }
        Ok(())
    }

    /// Adds users who are not members. Their markers start at the newest message.
    pub(super) async fn join(&mut self, tx: &mut Tx, users: Vec<User>, role: Role) -> Result<()> {
        let (seq, now) = (self.chat.chat.last_seq, self.now);
        let ids: Vec<_> = users.iter().map(|user| user.id).collect();
        members::insert(tx, self.id(), &ids, role, seq, now).await?;
        for user in users {
            self.newcomers.push(Newcomer { user: user.id, role, peer: None });
            self.changes.push(Change::MemberJoined(Arc::new(Member {
                user: user.reference(),
                role,
                joined_at: now,
                last_delivered_seq: seq,
                last_read_seq: seq,
            })));
        }
        Ok(())
    }

    /// Changes a member's role.
    pub(super) async fn set_role(
        &mut self,
        tx: &mut Tx,
        mut member: Member,
        role: Role,
    ) -> Result<()> {
        if member.role != role {
            members::set_role(tx, self.id(), member.user.id, role).await?;
            member.role = role;
            self.changes.push(Change::MemberUpdated(Arc::new(member)));
        }
        Ok(())
    }

    /// Removes members.
    pub(super) async fn leave(&mut self, tx: &mut Tx, gone: Vec<Member>) -> Result<()> {
        let ids: Vec<_> = gone.iter().map(|member| member.user.id).collect();
        members::remove(tx, self.id(), &ids).await?;
        for member in gone {
            self.departed.push((member.user.id, self.changes.len()));
            self.changes.push(Change::MemberLeft(Arc::new(member)));
        }
        Ok(())
    }

    /// Takes the versions and emits the events. Does nothing if nothing changed.
    pub(super) async fn finish(self, unit: &mut Unit) -> Result<()> {
        let Self { chat, now, changes, newcomers, departed } = self;
        let (last_message, mut chat) = (chat.last_message, chat.chat);
        let count = i64::try_from(changes.len()).map_err(Error::internal)?;
        if count == 0 {
            return Ok(());
        }
        let size = |len: usize| i64::try_from(len).map_err(Error::internal);
        let grown = size(newcomers.len())? - size(departed.len())?;
        chat.version = chats::advance(&mut unit.tx, chat.id, count, grown).await?;
        chat.members_count += grown;
        let first = chat.version.plus(1 - count);

        // Former members receive no later event, and new members no earlier one, so their events come
        // first.
        if !departed.is_empty() {
            let version = |at: usize| Ok::<_, Error>(first.plus(size(at)?));
            let departed: Vec<_> = departed
                .into_iter()
                .map(|(user, at)| Ok(Departed { user, version: version(at)? }))
                .collect::<Result<_>>()?;
            departures::insert(&mut unit.tx, chat.id, &departed, now).await?;
            unit.emit(Event::ChatDeleted { chat: chat.id, departed });
        }
        if !newcomers.is_empty() {
            let last_message = with_status(unit, last_message).await?;
            let chat = Arc::new(chat.clone());
            unit.emit(Event::ChatCreated { chat, last_message, newcomers });
        }
        for (version, change) in (first.0..).map(Version).zip(changes) {
            unit.emit(Event::Chat(ChatEvent { chat: chat.id, version, change }));
        }
        Ok(())
    }
}

/// Whether a user may create another group, considering those that exist: [`Error::Conflict`] if not.
/// Concurrent requests of a user wait for each other, so together they cannot exceed the limit. Call it
/// before anything else is locked.
pub(super) async fn admit_one_more(app: &App, tx: &mut Tx, maker: UserId) -> Result<()> {
    const TOO_MANY: &str = "You have made too many groups.";
    let most = app.limits.groups_per_user;
    let made = chats::count_made(tx, maker, most).await?;
    if made < most { Ok(()) } else { Err(Error::Conflict(TOO_MANY)) }
}

/// Deletes a chat; all members get `chat.deleted`.
pub(super) async fn end(unit: &mut Unit, chat: ChatId, now: Timestamp) -> Result<()> {
    let picture = chats::avatar(&mut unit.tx, chat).await?;
    unit.discard(picture);
    let users = chats::end(&mut unit.tx, chat, now).await?;
    let out = |user| Departed { user, version: Departed::ENDED };
    let departed: Vec<_> = users.into_iter().map(out).collect();
    departures::insert(&mut unit.tx, chat, &departed, now).await?;
    unit.emit(Event::ChatDeleted { chat, departed });
    Ok(())
}

/// A member leaves a group: an owner transfers ownership first, and the last member deletes it.
pub(super) async fn depart(
    unit: &mut Unit,
    chat: ChatOfMember,
    member: Member,
    now: Timestamp,
) -> Result<()> {
    let id = chat.chat.id;
    let mut grouping = Grouping::of(chat, now);
    if member.role == Role::Owner {
        match members::successor(&mut unit.tx, id, member.user.id).await? {
            Some(next) => grouping.set_role(&mut unit.tx, next, Role::Owner).await?,
            None => return end(unit, id, now).await,
        }
    }
    grouping.leave(&mut unit.tx, vec![member]).await?;
    grouping.finish(unit).await
}

/// The newest message with its status.
async fn with_status(unit: &mut Unit, message: Option<Message>) -> Result<Option<Arc<Message>>> {
    let Some(message) = message else { return Ok(None) };
    let chat = message.chat;
    let least = least_markers(&mut unit.tx, &unit.app.laggards, &[chat]).await?;
    Ok(Some(Arc::new(message.with_status(least.get(&chat)))))
}
