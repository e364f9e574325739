//! A node without a server for the paths: an application with an embedded database that was filled, and no
//! background tasks but the committer, whose work belongs to a send. Everything on one thread, besides
//! SQLite's.

use std::sync::Arc;

use meowsenger::actions::committer;
use meowsenger::app::{App, SystemClock};
use meowsenger::auth::hashes::HashCost;
use meowsenger::auth::tokens::{Claims, TokenType};
use meowsenger::config::{Config, Variables};
use meowsenger::domain::ids::{SessionId, UserId};
use meowsenger::store::migrations;
use tempfile::TempDir;

use super::Result;

/// Members of the crowd, each with a session.
pub const MEMBERS: i64 = 100;
/// Chats of the first user: the crowd, and groups with only one other member.
pub const CHATS: i64 = 200;
/// Messages in the crowd.
pub const MESSAGES: i64 = 2_000;
/// The crowd's id; the other chats' follow.
pub const CROWD: i64 = 1;

/// The node.
pub struct Site {
    pub app: Arc<App>,
    _folder: TempDir,
}

impl Site {
    pub async fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let settings = [
            ("DATA_DIR", folder.path().display().to_string()),
            ("SECRET_KEY", "only-for-counting-".repeat(4)),
            ("THROTTLE", "off".to_owned()),
        ];
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
        let config = Config::read(&settings.collect::<Variables>()).map_err(|_| "bad settings")?;
        let cost = HashCost { memory_kib: 64, passes: 1 };
        let opened = App::open_with(&config, SystemClock::default(), cost).await;
        let (app, workers) = opened.map_err(|_| "the application was not opened")?;
        migrations::migrate(&app.db, app.clock.now(), |_| {}).await?;
        meowsenger::actions::epoch::enter(&app).await?;
        for queue in workers.sends {
            app.background("committer", committer::run(Arc::clone(&app), queue));
        }
        let mut tx = app.db.begin().await?;
        tx.script(script()).await?;
        tx.commit().await?;
        Ok(Self { app, _folder: folder })
    }

    /// An access token of a member, from 1 on. Sessions have their users' ids.
    pub fn token(&self, member: i64) -> Result<String> {
        let claims = Claims {
            token_type: TokenType::Access,
            jti: format!("{member:032x}"),
            session: SessionId(member),
            user: UserId(member),
        };
        Ok(self.app.signer.sign(&claims, self.app.clock.now())?)
    }
}

/// Members of a crowd with a history, of which the first has many chats.
fn script() -> String {
    let now = "(unixepoch() * 1000000)";
    let series = |count: i64| {
        format!(
            "with recursive s (n) as (select 1 union all select n + 1 from s where n < {count})"
        )
    };
    let (members, chats, messages) = (series(MEMBERS), series(CHATS), series(MESSAGES));
    format!(
        "{members} insert into users (id, username, username_key, password, date_joined) \
             select n, 'cat' || n, 'cat' || n, '!', {now} from s; \
         insert into sessions (id, user_id, created_at, last_used_at, expires_at, refresh_jti, \
                               refreshed_at) \
             select id, id, {now}, {now}, {now} + 3600000000, 'r' || id, {now} from users; \
         {chats} insert into chats (id, type, name, search_text, created_at, created_by, \
                                    members_count, version, last_seq, active_at, first_activity) \
             select n, 'group', 'Group ' || n, 'group', {now}, 1, \
                    case n when {CROWD} then {MEMBERS} else 2 end, 1, 0, {now}, n from s; \
         {members} insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                        last_read_seq) \
             select {CROWD}, n, case n when 1 then 'owner' else 'member' end, {now}, 0, 0 from s; \
         insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
             select c.id, u.id, case u.id when 1 then 'owner' else 'member' end, {now}, 0, 0 \
             from chats c join users u on u.id <= 2 where c.id <> {CROWD}; \
         {messages} insert into messages (chat_id, seq, version, sender_id, content, timestamp, \
                                          last_change) \
             select {CROWD}, n, n + 1, 1 + n % {MEMBERS}, 'Meow number ' || n, {now}, 'created' from s; \
         update chats set version = {MESSAGES} + 1, last_seq = {MESSAGES}, last_message_id = \
             (select max(id) from messages) where id = {CROWD};"
    )
}
