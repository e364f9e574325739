//! The restore drill: a backup is made under load, and restored elsewhere. What was acknowledged before the
//! backup began is there. Clients that were ahead notice the new epoch, and converge.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use meowsenger_client::types::{Draft, Message, NewGroup, Registration};
use meowsenger_client::{Anchor, ChatId, Client, Connection, Event, Events, Options, Server};
use meowsenger_testing::services::{self, run_script};
use meowsenger_testing::{Backend, PASSWORD, Proxy, Watchdog, eventually};
use rstest::rstest;
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};

use crate::site::Place;

const WRITERS: usize = 4;
const DEADLINE: Duration = Duration::from_secs(30);

type Acknowledged = Arc<Mutex<BTreeMap<String, Message>>>;

/// Users with clients, who write to one group all the time.
struct Crew {
    chat: ChatId,
    members: Vec<(Client, Connection)>,
    acknowledged: Acknowledged,
    count: watch::Sender<usize>,
    stop: watch::Sender<bool>,
    /// How many clients have noticed a new epoch.
    noticed: watch::Sender<usize>,
    _events: JoinSet<()>,
}

impl Crew {
    async fn enter(base: &str) -> Self {
        let server = Server::new(base).with_timeouts(DEADLINE, 2 * DEADLINE);
        let register = |number: usize| {
            let account = Registration::new(format!("cat{number}"), PASSWORD);
            let server = server.clone();
            async move { server.register(&account).await.expect("registered") }
        };
        let clients = join_all((0..WRITERS).map(register)).await;
        let mut others = Vec::new();
        for client in &clients[1..] {
            others.push(client.me().await.expect("me").id);
        }
        let group = NewGroup::new("Kitchen").members(others);
        let chat = clients[0].create_group(&group).await.expect("made").id;
        let (noticed, mut reading) = (watch::Sender::new(0), JoinSet::new());
        let connect = |client: Client| {
            let options = Options::new()
                .backoff(Duration::from_millis(50), Duration::from_millis(500))
                .timeout(DEADLINE);
            let (live, events) = client.connect(options);
            reading.spawn(notice(events, noticed.clone()));
            (client, live)
        };
        let members = clients.into_iter().map(connect).collect();
        Self {
            chat,
            members,
            acknowledged: Acknowledged::default(),
            count: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            noticed,
            _events: reading,
        }
    }

    fn write(&self) -> JoinSet<()> {
        let mut writers = JoinSet::new();
        for (number, (_, live)) in self.members.iter().enumerate() {
            let (live, chat, stop) = (live.clone(), self.chat, self.stop.subscribe());
            let (acknowledged, count) = (Arc::clone(&self.acknowledged), self.count.clone());
            writers.spawn(async move {
                for next in 0.. {
                    let name = format!("w{number}-{next}");
                    let draft = Draft::new(name.as_str()).client_id(name.as_str());
                    let message = live.send(chat, draft).await.expect("sent");
                    acknowledged.lock().expect("not poisoned").insert(name, message);
                    count.send_modify(|count| *count += 1);
                    if *stop.borrow() {
                        return;
                    }
                }
            });
        }
        writers
    }

    /// Waits for this many more acknowledged messages. Returns all.
    async fn until_more(&self, more: usize) -> BTreeMap<String, Message> {
        let mut count = self.count.subscribe();
        let wanted = *count.borrow() + more;
        count.wait_for(|count| *count >= wanted).await.expect("they write");
        self.acknowledged.lock().expect("not poisoned").clone()
    }

    /// Every message that the server has, by its content.
    async fn stored(&self) -> BTreeMap<String, Message> {
        let mut found = BTreeMap::new();
        let mut list = self.members[0].0.messages(self.chat, Anchor::Newest);
        while let Some(message) = list.next().await.expect("read") {
            let again = found.insert(message.content.clone(), message);
            assert!(again.is_none(), "doubled: {again:?}");
        }
        found
    }
}

async fn notice(mut events: Events, noticed: watch::Sender<usize>) {
    while let Some(event) = events.next().await {
        match event {
            Event::EpochChanged => noticed.send_modify(|count| *count += 1),
            Event::Ended(error) => panic!("ended: {error}"),
            _ => {}
        }
    }
}

/// The drill. `save` runs at the old place while it serves, `restore` at the new one before it does.
async fn drill(old: &Place, new: &Place, save: impl FnOnce(), restore: impl FnOnce()) {
    let server = old.serve();
    let proxy = Proxy::start(&[&server.base]).await;
    let crew = Crew::enter(&proxy.base).await;
    let writers = crew.write();
    let before = crew.until_more(200).await;
    block_in_place(save);
    // The clients get ahead of the backup.
    crew.until_more(100).await;
    let epoch = old.epoch();
    drop(server);
    crew.stop.send_replace(true);

    block_in_place(restore);
    let server = new.serve();
    proxy.lead_to(&[&server.base]);
    writers.join_all().await;
    assert_ne!(new.epoch(), epoch);
    let mut noticed = crew.noticed.subscribe();
    noticed.wait_for(|count| *count >= WRITERS).await.expect("they run");

    let last = Draft::new("after the restore");
    let last = crew.members[0].1.send(crew.chat, last).await.expect("sent");
    let stored = crew.stored().await;
    for (name, message) in &before {
        let found = stored.get(name).unwrap_or_else(|| panic!("{name} is lost"));
        assert_eq!((found.id, found.seq), (message.id, message.seq), "{name}");
    }
    let mut seqs: Vec<_> = stored.values().map(|message| message.seq.0).collect();
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(1..=last.seq.0), "gaps: {seqs:?}");
    for (_, live) in &crew.members {
        let look = async || {
            let replica = live.replica();
            let known = replica.chat(crew.chat)?;
            let is_equal = |message: &Message| {
                stored.get(&message.content).is_some_and(|stored| stored.id == message.id)
            };
            let has_all = known.messages().len() as i64 == last.seq.0 - known.complete_from().0 + 1;
            (has_all && known.messages().values().all(is_equal)).then_some(())
        };
        eventually(DEADLINE, "a client has what the server has, and nothing else", look).await;
    }
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_restored_and_clients_start_afresh() {
    let _watchdog = Watchdog::start();
    let (old, new) = (
        Place::new(Backend::Sqlite).await.expect("always there"),
        Place::new(Backend::Sqlite).await.expect("always there"),
    );
    let copy = old.path("copy.sqlite3");
    let name = copy.to_str().expect("UTF-8");
    let save = || {
        old.run(&["backup", name]).expect(0).says(&["Backed up", "media"]);
        old.run(&["backup", name]).expect(1).says(&["exists already"]);
    };
    let restore = || {
        fs::create_dir(new.path("data")).expect("made");
        fs::copy(&copy, new.path("data/meowsenger.sqlite3")).expect("copied");
    };
    drill(&old, &new, save, restore).await;
    // Each restore of one backup has an epoch of its own.
    let third = Place::new(Backend::Sqlite).await.expect("always there");
    fs::create_dir(third.path("data")).expect("made");
    fs::copy(&copy, third.path("data/meowsenger.sqlite3")).expect("copied");
    drop(third.serve());
    assert_ne!(third.epoch(), new.epoch());
    let left: Vec<_> = fs::read_dir(old.path("")).expect("a folder").collect();
    assert_eq!(left.len(), 2, "the data and the copy: {left:?}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_under_load_is_imported_and_clients_start_afresh(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let _watchdog = Watchdog::start();
    let (Some(old), Some(new)) = (Place::new(backend).await, Place::new(backend).await) else {
        return;
    };
    let out = old.path("out");
    let out = out.to_str().expect("UTF-8");
    let save = || drop(old.run(&["export", out]).expect(0).says(&["Exported"]));
    let restore = || drop(new.run(&["import", out]).expect(0).says(&["Imported"]));
    drill(&old, &new, save, restore).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_postgres_under_load_is_restored_and_clients_start_afresh() {
    let _watchdog = Watchdog::start();
    let Some(mut old) = Place::new(Backend::Postgres).await else { return };
    let mut new = Place::new(Backend::Postgres).await.expect("there was one");
    // Databases of their own: pg_dump takes whole databases.
    for place in [&mut old, &mut new] {
        let url = place.variables["DATABASE_URL"].clone();
        let (server, schema) = url.split_once("options=-csearch_path%3D").expect("a schema");
        run_script(server.trim_end_matches(['?', '&']), &format!("create database {schema}")).await;
        let mut own = url::Url::parse(server).expect("a URL");
        own.set_path(schema);
        own.set_query(None);
        place.variables.insert("DATABASE_URL".to_owned(), own.into());
    }
    let dump = old.path("site.dump");
    let save = || {
        let printed =
            old.run(&["backup", "site.dump"]).expect(0).says(&["pg_dump", "epoch --renew"]);
        shell(&old, &printed.out);
        assert!(dump.is_file());
    };
    let restore = || {
        let (url, dump) = (&new.variables["DATABASE_URL"], dump.display());
        shell(&new, &format!("pg_restore --no-owner --exit-on-error --dbname='{url}' '{dump}'"));
        new.run(&["epoch", "--renew"]).expect(0);
    };
    drill(&old, &new, save, restore).await;
}

/// Runs a command of PostgreSQL's client programs.
fn shell(place: &Place, command: &str) {
    let path = services::postgres_programs();
    let mut shell = Command::new("sh");
    shell.args(["-euc", command]).current_dir(place.path("")).env("PATH", path);
    let output = shell.output().expect("run");
    assert!(output.status.success(), "{command}: {output:?}");
}
