//! Writes the world into an empty database in a few large transactions, as many months of use would have
//! left it. Nothing else of the load generator knows the tables, besides `fill` and `history`. All three must
//! fill them as the server would.

use crate::database::Database;
use crate::world::{
    AUTHOR, BUSY_CHAT, BUSY_MESSAGES, COMMON_CHAT, CROWD_MESSAGES, FIRST_MANY, FIRST_PEER,
    FIRST_PERSON, FIRST_SMALL, HEAVY, LONG_CHAT, MANY, MANY_MESSAGES, Part, SENDERS, SMALL_EACH,
    SMALL_MEMBERS, SMALL_MESSAGES, World,
};
use crate::{Result, history, searched};

const FIRST_NAMES: &str = "Nora Liam Maja Ivan Chloe Diego Aiko Omar Lena Jonas Priya Wei Sofia Hugo Amara \
                           Felix Yuki Elena Tariq Greta Mateo Ines Pavel Zoe Kofi Marta Anders Leila Bruno Nina";
const LAST_NAMES: &str = "Berg Novak Rossi Sato Haddad Lindqvist Okafor Meyer Silva Kowalski Ivanova Tanaka \
                          Dubois Garcia Kumar Chen Larsen Costa Weber Mensah Petrov Moreau Jensen Alvarez Fischer \
                          Yilmaz Nilsen Santos Horvat Keller Marino Bakker Varga Eriksen Popescu Duarte Lehmann";

/// Writes the parts of the world that are wanted.
pub async fn seed(database: &mut Database, world: &World, parts: &[Part]) -> Result {
    let seed = Seed::new(matches!(database, Database::Postgres(_)), world);
    let mut script = vec![seed.senders()];
    let wanted = |part| parts.contains(&part);
    script.extend(wanted(Part::Many).then(|| seed.many()));
    script.extend(wanted(Part::Long).then(|| seed.long(world.size.long)));
    script.extend(wanted(Part::People).then(|| seed.people(world)));
    database.run(format!("begin; {} {}; commit;", script.join(" "), seed.finish())).await?;
    if wanted(Part::History) {
        history::fill(database, world, world.size.history).await?;
    }
    if wanted(Part::Searched) {
        database.run(seed.users(AUTHOR, 3, "'author' || s.n", "'Ada'", "'Author'")).await?;
        searched::fill(database, world, world.size.searched).await?;
        database.run(seed.finish()).await?;
    } else {
        // Otherwise the server would index all of them while something else is measured. Programs from before the
        // index have no such table.
        let done = "update search_state set rules = 1, indexed_upto = \
                    (select coalesce(max(id), 0) from messages)";
        database.run(done.to_owned()).await.ok();
    }
    let settle = match database {
        Database::Sqlite(_) => "pragma wal_checkpoint(truncate); analyze;",
        Database::Postgres(_) => "vacuum analyze; ",
    };
    for statement in settle.split_terminator(';').filter(|text| !text.trim().is_empty()) {
        database.run(statement.to_owned()).await?;
    }
    if let Database::Postgres(_) = database {
        database.run("checkpoint".to_owned()).await?;
    }
    Ok(())
}

/// Makes the statements for one kind of database.
struct Seed {
    postgres: bool,
    /// The current time, an hour ago and in a month, as SQL.
    now: String,
    earlier: String,
    later: String,
    seconds: u64,
}

impl Seed {
    fn new(postgres: bool, world: &World) -> Self {
        let time = |seconds: u64| match postgres {
            true => format!("to_timestamp({seconds})"),
            false => format!("{seconds}000000"),
        };
        let now = world.now();
        Self {
            postgres,
            now: time(now),
            earlier: time(now - 3_600),
            later: time(now + 30 * 24 * 3_600),
            seconds: now,
        }
    }

    /// Two hundred and fifty-six senders, each with a private chat, and a group of the first 64.
    fn senders(&self) -> String {
        let names = format!("case when s.n < {SENDERS} then 'sender' else 'reader' end");
        let (all, one) = (2 * SENDERS, SENDERS);
        [
            self.users(1, all, &format!("{names} || s.n"), "'Sam'", "'Sender'"),
            format!(
                "{} insert into chats (id, type, created_at, created_by, low_user, high_user, \
                                       members_count, version, active_at, first_activity) \
                 select s.n + 1, 'private', {}, s.n + 1, s.n + 1, s.n + 1 + {one}, 2, 1, {}, 0 from s;",
                series(one),
                self.now,
                self.now
            ),
            self.members(one, "s.n + 1", "s.n + 1", 0),
            self.members(one, "s.n + 1", &format!("s.n + 1 + {one}"), 0),
            self.groups(1, COMMON_CHAT, "'Common'", "1", 64, 0),
            self.members(64, &COMMON_CHAT.to_string(), "s.n + 1", 0),
        ]
        .concat()
    }

    /// One user with a thousand chats, half of them groups, and one with many messages.
    fn many(&self) -> String {
        let half = MANY / 2;
        let first_private = FIRST_MANY + half;
        let peer = format!("{FIRST_PEER} + s.n");
        let (last, busy) = (MANY_MESSAGES, BUSY_CHAT.to_string());
        [
            self.users(HEAVY, 1, "'heavy'", "'Hanna'", "'Heavy'"),
            self.users(FIRST_PEER, MANY, "'peer' || s.n", "'Pat'", "'Peer'"),
            self.groups(half, FIRST_MANY, "'Group ' || s.n", &HEAVY.to_string(), 2, last),
            format!(
                "{} insert into chats (id, type, created_at, created_by, low_user, high_user, \
                                       members_count, version, last_seq, active_at) \
                 select {first_private} + s.n, 'private', {}, {HEAVY}, {HEAVY}, {FIRST_PEER} + {half} \
                        + s.n, 2, {last} + 1, {last}, {} from s;",
                series(half),
                self.now,
                self.now
            ),
            self.members(MANY, &format!("{FIRST_MANY} + s.n"), &HEAVY.to_string(), last - 2),
            self.members(MANY, &format!("{FIRST_MANY} + s.n"), &peer, last),
            self.messages(
                MANY,
                &format!("{FIRST_MANY} + s.n"),
                &peer,
                last,
            ),
            self.groups(1, BUSY_CHAT, "'Busy'", &HEAVY.to_string(), 2, BUSY_MESSAGES),
            self.members(1, &busy, &HEAVY.to_string(), 0),
            self.members(1, &busy, &FIRST_PEER.to_string(), BUSY_MESSAGES),
            self.messages(1, &busy, &FIRST_PEER.to_string(), BUSY_MESSAGES),
        ]
        .concat()
    }

    /// A chat of the senders with a long history.
    fn long(&self, messages: i64) -> String {
        let chat = LONG_CHAT.to_string();
        [
            self.groups(1, LONG_CHAT, "'Long'", "1", 64, messages),
            self.members(64, &chat, "s.n + 1", messages),
            self.messages(1, &chat, "1 + m.n % 64", messages),
        ]
        .concat()
    }

    /// People with names, in small groups and in crowds.
    fn people(&self, world: &World) -> String {
        let (people, groups) = (world.size.people, world.size.small_groups());
        let first = pick(FIRST_NAMES, "s.n");
        let last = pick(LAST_NAMES, &format!("s.n / {}", FIRST_NAMES.split(' ').count()));
        let username = format!("lower({first}) || '.' || lower({last}) || s.n");
        let slot = format!("{FIRST_SMALL} + s.n % {groups}");
        let person = format!("{FIRST_PERSON} + s.n / {SMALL_EACH}");
        let mut all = vec![
            self.users(FIRST_PERSON, people, &username, &first, &last),
            self.groups(
                groups,
                FIRST_SMALL,
                "'Friends ' || s.n",
                &person,
                SMALL_MEMBERS,
                SMALL_MESSAGES,
            ),
            self.members(people * SMALL_EACH, &slot, &person, SMALL_MESSAGES),
            self.messages(groups, &format!("{FIRST_SMALL} + s.n"), &person, SMALL_MESSAGES),
        ];
        for (chat, size) in world.crowds() {
            let (name, owner) = (format!("'Crowd of {size}'"), FIRST_PERSON.to_string());
            all.push(self.groups(1, chat, &name, &owner, size, CROWD_MESSAGES));
            let member = format!("{FIRST_PERSON} + s.n");
            all.push(self.members(size, &chat.to_string(), &member, CROWD_MESSAGES));
            all.push(self.messages(1, &chat.to_string(), &owner, CROWD_MESSAGES));
        }
        all.concat()
    }

    /// Users with the names that the expressions over `s.n` result in, and a session each.
    fn users(&self, from: i64, count: i64, name: &str, first: &str, last: &str) -> String {
        let Self { now, earlier, later, .. } = self;
        let every = series(count);
        format!(
            "{every} insert into users (id, username, username_key, password, first_name, last_name, \
                                        date_joined) \
             select {from} + s.n, {name}, {name}, '!', {first}, {last}, {now} from s; \
             insert into login_names (name_key, user_id) \
             select username_key, id from users where id >= {from} and id < {from} + {count}; \
             {every} insert into sessions (id, user_id, created_at, last_used_at, expires_at, \
                                           refresh_jti, refreshed_at) \
             select {from} + s.n, {from} + s.n, {earlier}, {earlier}, {later}, 'r' || ({from} + s.n), \
                    {earlier} from s;"
        )
    }

    /// Groups with consecutive ids.
    fn groups(
        &self,
        count: i64,
        from: i64,
        name: &str,
        owner: &str,
        members: i64,
        messages: i64,
    ) -> String {
        let (every, now) = (series(count), &self.now);
        format!(
            "{every} insert into chats (id, type, name, created_at, created_by, members_count, version, \
                                        last_seq, active_at, first_activity) \
             select {from} + s.n, 'group', {name}, {now}, {owner}, {members}, {messages} + 1, {messages}, \
                    {now}, case when {messages} = 0 then 0 end from s;"
        )
    }

    /// A member for each number, in the chat and of the user that the expressions result in. The creator
    /// of a group is its owner.
    fn members(&self, count: i64, chat: &str, user: &str, read: i64) -> String {
        format!(
            "{} insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, \
                                     last_read_seq) \
             select c.id, {user}, case when c.type = 'group' and c.created_by = {user} then 'owner' \
                                       else 'member' end, {}, {read}, {read} \
             from s join chats c on c.id = {chat};",
            series(count),
            self.earlier
        )
    }

    /// Messages in chats `s.n`, each of `m.n`.
    fn messages(&self, chats: i64, chat: &str, sender: &str, each: i64) -> String {
        let time = match self.postgres {
            true => format!("to_timestamp({} - {each} + m.n)", self.seconds),
            false => format!("({} - {each} + m.n) * 1000000", self.seconds),
        };
        format!(
            "with recursive s (n) as (select 0 union all select n + 1 from s where n < {chats} - 1), \
                            m (n) as (select 1 union all select n + 1 from m where n < {each}) \
             insert into messages (chat_id, seq, version, sender_id, content, timestamp, client_id, \
                                   last_change) \
             select {chat}, m.n, m.n + 1, {sender}, \
                    'Meow number ' || m.n || ', of some length, as people write.', {time}, \
                    'seeded-' || m.n, 'created' \
             from m cross join s order by m.n;"
        )
    }

    /// The chats' newest messages, and where PostgreSQL's ids go on.
    fn finish(&self) -> String {
        let newest = "update chats set last_message_id = \
                      (select m.id from messages m where m.chat_id = chats.id and m.seq = chats.last_seq) \
                      where last_seq > 0;";
        let mut all = newest.to_owned();
        if self.postgres {
            for table in ["users", "sessions", "chats"] {
                all += &format!(
                    "select setval(pg_get_serial_sequence('{table}', 'id'), max(id)) from {table};"
                );
            }
        }
        all
    }
}

/// The numbers from 0 on, as `s.n`.
fn series(count: i64) -> String {
    format!(
        "with recursive s (n) as (select 0 union all select n + 1 from s where n < {count} - 1)"
    )
}

/// The word with this number, as SQL; numbers start again after the last one.
fn pick(words: &str, number: &str) -> String {
    let words: Vec<_> = words.split_whitespace().collect();
    let cases: Vec<_> =
        words.iter().enumerate().map(|(at, word)| format!("when {at} then '{word}'")).collect();
    format!("(case ({number}) % {} {} end)", words.len(), cases.join(" "))
}
