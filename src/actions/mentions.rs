//! Looking up the members that messages mention. A message without `@` costs nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::app::App;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{ChatId, UserId};
use crate::domain::mentions::{Candidates, Mentions};
use crate::domain::message::{Message, NewMessage};
use crate::store::{Target, Tx, members, mentions, messages};

/// A text that may mention members of a chat: the chat, the sender, and what to look up.
type Text<'a> = (ChatId, UserId, &'a Candidates);

/// Looks up the members that a batch mentions, just before they are written: two statements at most for all of them.
pub(super) async fn of_batch(app: &App, batch: Arc<[NewMessage]>) -> Result<Arc<[NewMessage]>> {
    if batch.iter().all(|send| send.candidates.is_empty()) {
        return Ok(batch);
    }
    let texts: Vec<Text<'_>> =
        batch.iter().map(|send| (send.chat, send.sender, &send.candidates)).collect();
    let found = find((&app.db).into(), &texts).await?;
    let with = |(send, mentions): (&NewMessage, _)| NewMessage { mentions, ..send.clone() };
    Ok(batch.iter().zip(found).map(with).collect())
}

/// Looks up the members that an edited message mentions, and stores it if that has changed. The content of a forward
/// is no longer the first author's, so it loses its origin.
pub(super) async fn renew(tx: &mut Tx, message: &mut Message) -> Result<()> {
    let candidates = Candidates::of(message.content.as_str());
    let text = (message.chat, message.sender.id, &candidates);
    let new = find((&mut *tx).into(), &[text]).await?.pop().unwrap_or_default();
    let mut extras = message.extras.take().unwrap_or_default();
    let was_forwarded = extras.origin.take().is_some();
    if was_forwarded || extras.mentions != new {
        if !extras.mentions.is_empty() {
            mentions::remove(tx, message.id).await?;
        }
        if !new.is_empty() {
            mentions::insert(tx, &[(message.chat, message.seq, message.id, &new)]).await?;
        }
        extras.mentions = new;
        let stored = extras.stored().map_err(Error::internal)?;
        messages::set_extras(tx, message.id, stored).await?;
    }
    message.extras = Some(extras);
    Ok(())
}

/// In the order of the texts.
async fn find(mut at: Target<'_>, texts: &[Text<'_>]) -> Result<Vec<Mentions>> {
    let names = texts.iter().flat_map(|(chat, _, names)| names.names().map(|name| (*chat, name)));
    let names: Vec<_> = names.collect::<BTreeSet<_>>().into_iter().collect();
    if names.is_empty() {
        return Ok(texts.iter().map(|_| Mentions::default()).collect());
    }
    let named = mentions::named(at.reborrow(), &names).await?;
    let mut members: HashMap<ChatId, HashMap<&str, UserId>> = HashMap::new();
    for (chat, name, user) in &named {
        members.entry(*chat).or_default().insert(name, *user);
    }
    let to_all = texts.iter().filter(|(.., names)| names.may_name_all());
    let to_all: Vec<_> = to_all.map(|(chat, sender, _)| (*chat, *sender)).collect();
    let mut may_all = HashSet::new();
    if !to_all.is_empty() {
        let roles = members::roles_of(at, &to_all).await?.into_iter();
        let allowed = roles.filter(|(.., role)| role.may_mention_all());
        may_all.extend(allowed.map(|(chat, user, _)| (chat, user)));
    }
    let none = HashMap::new();
    let resolve = |(chat, sender, names): &Text<'_>| {
        names.resolve(members.get(chat).unwrap_or(&none), may_all.contains(&(*chat, *sender)))
    };
    Ok(texts.iter().map(resolve).collect())
}
