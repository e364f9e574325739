//! Reactions to a message, as everybody sees them: which emoji, how many users, and the first of them. The single
//! reactions are rows of their own.

use serde::{Deserialize, Serialize};

use super::emoji::Emoji;
use super::ids::{MessageId, UserId};
use super::time::Timestamp;
use super::user::UserRef;

/// How many users of an emoji a message names.
pub const USERS_SHOWN: usize = 100;
/// How many different emoji a message can have.
pub const EMOJI_MAX: usize = 20;

/// A user's wish to react, or to react no longer.
#[derive(Clone, Debug)]
pub struct ReactionChange {
    /// The message.
    pub message: MessageId,
    /// The user.
    pub user: UserId,
    /// With what.
    pub emoji: Emoji,
    /// Whether the user reacts with it from now on.
    pub active: bool,
}

/// A user's reaction, as lists show it.
#[derive(Debug)]
pub struct UserReaction {
    /// Its id; later ones have greater ids.
    pub id: i64,
    /// With what.
    pub emoji: Emoji,
    /// The user.
    pub user: UserRef,
    /// When.
    pub created_at: Timestamp,
}

/// The users of one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmojiUsers {
    /// The emoji.
    pub emoji: Emoji,
    /// How many users react with it.
    pub count: usize,
    /// The first of them, oldest reaction first: all, or at least [`USERS_SHOWN`].
    pub users: Vec<UserId>,
}

/// The emoji of a message, in the order in which they were first used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reactions(Vec<EmojiUsers>);

impl Reactions {
    /// The emoji with their users.
    pub fn of_emoji(&self) -> &[EmojiUsers] {
        &self.0
    }

    /// Whether nobody reacts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The users of an emoji.
    pub fn users(&self, emoji: &Emoji) -> Option<&EmojiUsers> {
        self.0.iter().find(|one| one.emoji == *emoji)
    }

    /// Names more of an emoji's users: its first ones, in their order. [`Self::remove`] needs so many more than
    /// [`USERS_SHOWN`] as will be removed.
    pub fn name_users(&mut self, emoji: &Emoji, users: Vec<UserId>) {
        if let Some(one) = self.0.iter_mut().find(|one| one.emoji == *emoji) {
            one.users = users;
        }
    }

    /// Adds a user, who does not use this emoji yet. False if the message has too many emoji for a new one.
    pub fn add(&mut self, emoji: &Emoji, user: UserId) -> bool {
        let place = self.0.iter().position(|one| one.emoji == *emoji);
        if place.is_none() && self.0.len() >= EMOJI_MAX {
            return false;
        }
        let place = place.unwrap_or_else(|| {
            self.0.push(EmojiUsers { emoji: emoji.clone(), count: 0, users: Vec::new() });
            self.0.len() - 1
        });
        let one = &mut self.0[place];
        if one.users.len() == one.count {
            one.users.push(user);
        }
        one.count += 1;
        true
    }

    /// Removes a user who uses this emoji. An emoji without users has no place any more.
    pub fn remove(&mut self, emoji: &Emoji, user: UserId) {
        if let Some(one) = self.0.iter_mut().find(|one| one.emoji == *emoji) {
            one.users.retain(|other| *other != user);
            one.count = one.count.saturating_sub(1);
        }
        self.0.retain(|one| one.count > 0);
    }

    /// With the users that are shown, and no more.
    pub fn shown(&self) -> Self {
        let shown = |one: &EmojiUsers| EmojiUsers {
            emoji: one.emoji.clone(),
            count: one.count,
            users: one.users.iter().take(USERS_SHOWN).copied().collect(),
        };
        Self(self.0.iter().map(shown).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CATS: [&str; 3] = ["🐈", "😺", "🐾"];

    fn emoji(index: usize) -> Emoji {
        Emoji::parse(CATS[index]).expect("an emoji")
    }

    /// What is shown of these reactions, which are in their order; `first` has the emoji in theirs.
    fn expected(rows: &[(usize, i64)], first: &[usize]) -> Vec<(Emoji, usize, Vec<UserId>)> {
        let of = |index: &usize| {
            let users = rows.iter().filter(|(other, _)| other == index);
            let users: Vec<_> = users.map(|(_, user)| UserId(*user)).collect();
            let shown = users.iter().take(USERS_SHOWN).copied().collect();
            (emoji(*index), users.len(), shown)
        };
        first.iter().map(of).collect()
    }

    proptest! {
        /// In batches, each of which reads as many users as it may need, as the worker does.
        #[test]
        fn the_summary_is_that_of_the_rows(
            batches in prop::collection::vec(
                prop::collection::vec((0..3_usize, 0..130_i64, prop::bool::weighted(0.7)), 1..150),
                1..8,
            ),
        ) {
            let mut rows: Vec<(usize, i64)> = Vec::new();
            let mut first: Vec<usize> = Vec::new();
            let mut summary = Reactions::default();
            for batch in batches {
                for index in 0..CATS.len() {
                    let removals = batch.iter().filter(|(one, _, add)| *one == index && !add);
                    let needed = USERS_SHOWN + removals.count();
                    let users = rows.iter().filter(|(one, _)| *one == index);
                    let users = users.take(needed).map(|(_, user)| UserId(*user)).collect();
                    summary.name_users(&emoji(index), users);
                }
                for (index, user, add) in batch {
                    let is_there = rows.contains(&(index, user));
                    if add && !is_there {
                        prop_assert!(summary.add(&emoji(index), UserId(user)));
                        rows.push((index, user));
                        if !first.contains(&index) {
                            first.push(index);
                        }
                    } else if !add && is_there {
                        summary.remove(&emoji(index), UserId(user));
                        rows.retain(|row| *row != (index, user));
                        first.retain(|one| rows.iter().any(|(other, _)| other == one));
                    }
                    let shown = summary.shown();
                    let shown = shown.of_emoji().iter();
                    let shown: Vec<_> =
                        shown.map(|one| (one.emoji.clone(), one.count, one.users.clone())).collect();
                    prop_assert_eq!(shown, expected(&rows, &first));
                }
                summary = summary.shown();
            }
        }
    }

    #[test]
    fn a_message_has_at_most_twenty_emoji() {
        let emoji: Vec<_> = emojis::iter().take(EMOJI_MAX + 1).map(|one| one.as_str()).collect();
        let emoji: Vec<_> =
            emoji.iter().map(|text| Emoji::parse(text).expect("an emoji")).collect();
        let mut reactions = Reactions::default();
        assert!(emoji[..EMOJI_MAX].iter().all(|one| reactions.add(one, UserId(1))));
        assert!(!reactions.add(&emoji[EMOJI_MAX], UserId(1)));
        assert!(reactions.add(&emoji[3], UserId(2)), "one that it has already");
        reactions.remove(&emoji[0], UserId(1));
        assert!(reactions.add(&emoji[EMOJI_MAX], UserId(1)));
    }
}
