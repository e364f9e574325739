//! An invariant, as the query for the rows that violate it and the statements that restore it. Decides
//! nothing: `actions::doctor` asks, reports and repairs.

use serde::Deserialize;

use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::time::Timestamp;
use crate::store::db::Tx;
use crate::store::error::Result;
use crate::store::query::{Dialects, Statement, Target};
use crate::store::{chats, users};

/// An invariant. Each query reads one snapshot, so a running server is never seen half-way through a change.
#[derive(Debug)]
pub struct Check {
    /// For operators.
    pub name: &'static str,
    /// What a violation is about.
    pub about: About,
    /// Returns the columns of a [`Violation`], of the rows whose key is greater than `$1` and at most `$2`.
    pub violations: Dialects,
    /// What is wrong. `{has}` and `{wants}` stand for the violation's numbers.
    pub text: &'static str,
    /// What is to be done about it.
    pub resolution: Resolution,
}

/// Checks that walk over a table by the same key.
#[derive(Debug)]
pub struct Walk {
    /// What is counted for the summary.
    pub noun: Option<&'static str>,
    /// The next rows after `$1`, at most `$2`: how many, and the greatest key.
    pub(super) batches: Dialects,
    /// Rows in a batch.
    pub(super) size: i64,
    /// The checks, in the order in which repairs have to be made.
    pub checks: &'static [Check],
}

/// The next rows of a walk.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Batch {
    /// How many.
    pub rows: i64,
    /// The greatest key; `None` at the end.
    pub upto: Option<i64>,
}

impl Walk {
    /// The next batch after a key.
    pub async fn next(&self, at: impl Into<Target<'_>>, after: i64) -> Result<Batch> {
        at.into().query(self.batches).bind(after).bind(self.size).one().await
    }
}

/// What can be done about a violation.
#[derive(Clone, Copy, Debug)]
pub enum Resolution {
    /// There is one right answer.
    Repair {
        /// What it is, as in "--fix …".
        text: &'static str,
        /// `$1` to `$4` are the violation's columns, `$5` is the time.
        statements: &'static [Dialects],
        /// Who has to learn of it.
        tell: Tell,
    },
    /// There is none. What an operator can do.
    Person(&'static str),
}

/// How clients learn of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// They have no copy of what was wrong.
    Nobody,
    /// The chat takes its next version, so every copy of it is synchronised.
    Chat,
    /// The message takes the chat's next version, as by an edit.
    Message,
    /// Numbers that clients rely on were wrong: a new epoch makes all of them start over.
    Everybody,
}

/// What the columns `id` and `other` of a violation name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A user.
    User,
    /// A user, and a chat.
    UserInChat,
    /// A chat.
    Chat,
    /// A chat, and one of its members.
    Member,
    /// A message, and its chat.
    Message,
    /// Rows that refer to this id.
    Rows(&'static str),
    /// One of [`super::sequences::TABLES`], by its number.
    Table,
    /// The site.
    Site,
}

/// What violates an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Violation {
    /// The key by which the check walks.
    pub id: i64,
    /// The other id that [`About`] has.
    #[serde(default)]
    pub other: Option<i64>,
    /// A number that is there.
    #[serde(default)]
    pub has: Option<i64>,
    /// The number that should be there.
    #[serde(default)]
    pub wants: Option<i64>,
}

impl Check {
    /// The violations among the rows with a key in `(after, upto]`.
    pub async fn violations(
        &self,
        at: impl Into<Target<'_>>,
        after: i64,
        upto: i64,
    ) -> Result<Vec<Violation>> {
        at.into().query(self.violations).bind(after).bind(upto).all().await
    }

    /// Locks what a violation is about, in the order in which the actions do: users before chats. Returns the
    /// violation as it is then; `None` if it is gone.
    pub async fn hold(&self, tx: &mut Tx, found: &Violation) -> Result<Option<Violation>> {
        if let Some(user) = self.user(found) {
            users::lock(tx, user).await?;
        }
        if let Some(chat) = self.chat(found) {
            chats::lock(tx, chat).await?;
        }
        let now = self.violations(tx, found.id - 1, found.id).await?;
        Ok(now.into_iter().find(|one| one.id == found.id && one.other == found.other))
    }

    /// Runs the statements of a repair.
    pub async fn restore(
        &self,
        tx: &mut Tx,
        found: &Violation,
        statements: &[Dialects],
        now: Timestamp,
    ) -> Result<()> {
        for statement in statements {
            let sql = if tx.is_sqlite() { statement.sqlite } else { statement.postgres };
            // Only those that it has: PostgreSQL's driver keeps statements by their text.
            let has = |number: usize| sql.contains(&format!("${number}"));
            let greatest = (1..=5).rev().find(|number| has(*number)).unwrap_or_default();
            let values = [Some(found.id), found.other, found.has, found.wants];
            let query =
                values.into_iter().take(greatest).fold(tx.query(*statement), Statement::bind);
            let query = if greatest == 5 { query.bind(now) } else { query };
            query.execute().await?;
        }
        Ok(())
    }

    /// The chat of a violation.
    pub fn chat(&self, found: &Violation) -> Option<ChatId> {
        match self.about {
            About::Chat | About::Member => Some(ChatId(found.id)),
            About::UserInChat | About::Message => found.other.map(ChatId),
            About::User | About::Rows(_) | About::Table | About::Site => None,
        }
    }

    fn user(&self, found: &Violation) -> Option<UserId> {
        match self.about {
            About::User | About::UserInChat => Some(UserId(found.id)),
            About::Member => found.other.map(UserId),
            _ => None,
        }
    }
}

/// Gives a message its chat's next version. The kind of its last change is one that every program takes for a
/// change of the whole message.
pub async fn touch_message(tx: &mut Tx, id: MessageId, chat: ChatId) -> Result<()> {
    let version = chats::next_version(tx, chat).await?;
    tx.query("update messages set version = $2, last_change = 'repaired' where id = $1")
        .bind(id)
        .bind(version)
        .execute()
        .await
        .map(drop)
}
