//! Convergence while members come and go: users are added, removed and leave, groups are deleted, and
//! messages are sent, while connections drop and the bus loses events. After one sync each replica of the
//! reference client is what the server has. The operations are random; a failure prints their seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use meowsenger_client::types::{
    Chat, ChatType, GroupUpdate, Message, MessageStatus, NewGroup, Registration, Role,
};
use meowsenger_client::{
    Anchor, Client, Connection, Error, ErrorKind, Event, Options, Replica, Result, Seq, Server,
    UserId,
};
use rstest::rstest;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::services::bus_url;
use crate::support::socket::DEADLINE;
use crate::support::{Backend, Chance, PASSWORD, Proxy, TestApp};

const PEOPLE: usize = 5;
/// Of each person.
const STEPS: usize = 60;

/// A user with a connection that can be cut.
struct Person {
    id: UserId,
    others: Vec<UserId>,
    client: Client,
    connection: Connection,
    proxy: Proxy,
    chance: Chance,
}

impl Person {
    async fn act(mut self, bus: &Proxy) -> Self {
        for step in 0..STEPS {
            match self.chance.below(12) {
                0 => self.proxy.cut(),
                1 => bus.cut(),
                _ => check(self.change(step).await),
            }
        }
        self
    }

    /// Changes something in a random chat, which somebody else may have changed meanwhile.
    async fn change(&mut self, step: usize) -> Result<()> {
        let other = *self.chance.pick(&self.others).expect("somebody");
        let Some(chat) = self.random_chat() else {
            let group = NewGroup::new(format!("Kitchen {step}")).members([other]);
            return self.client.create_group(&group).await.map(drop);
        };
        let (client, id) = (&self.client, chat.id);
        let last = chat.last_message.as_ref().filter(|message| message.sender.id == self.id);
        match self.chance.below(20) {
            0 => {
                let group = NewGroup::new(format!("Kitchen {step}")).members(&self.others[..]);
                client.create_group(&group).await.map(drop)
            }
            1 => client.private_chat(other).await.map(drop),
            _ if chat.kind == ChatType::Private => client.send(id, "meow").await.map(drop),
            2 => client.delete_chat(id).await,
            3 | 4 => client.remove_member(id, self.id).await,
            5 | 6 => client.remove_member(id, other).await,
            7..=10 => client.add_members(id, &[other], Role::Member).await.map(drop),
            11 => client.set_role(id, other, Role::Admin).await.map(drop),
            12 => {
                let update = GroupUpdate::new().name(format!("Kitchen {step}"));
                client.update_group(id, &update).await.map(drop)
            }
            13 | 14 => match last {
                Some(message) => client.edit(message.id, &format!("purr {step}")).await.map(drop),
                None => client.send(id, "hiss").await.map(drop),
            },
            _ => self.connection.send(id, format!("meow {step}")).await.map(drop),
        }
    }

    fn random_chat(&mut self) -> Option<Chat> {
        let replica = self.connection.replica();
        let chats: Vec<_> = replica.chats().values().map(|known| known.chat()).collect();
        self.chance.pick(&chats).map(|chat| (*chat).clone())
    }

    /// Connects once more with what is known, and compares it with the server after one sync.
    async fn check_replica(&self) {
        let known = self.connection.replica().clone();
        self.connection.close();
        let syncs = Arc::new(AtomicUsize::new(0));
        let replica = self.reconnect(known, &syncs).await;
        assert!(syncs.load(Ordering::Relaxed) <= 1, "more than one sync was needed");

        let chats = self.client.chats().collect().await.expect("chats");
        let ids: Vec<_> = replica.chats().keys().copied().collect();
        let mut expected: Vec<_> = chats.iter().map(|chat| chat.id).collect();
        expected.sort_unstable();
        assert_eq!(ids, expected);
        for chat in chats {
            self.check_chat(&replica, &chat).await;
        }
    }

    async fn reconnect(&self, replica: Replica, syncs: &Arc<AtomicUsize>) -> Replica {
        let counter = Arc::clone(syncs);
        let tap = move |_, text: &str| {
            let frame: Value = serde_json::from_str(text).expect("JSON");
            if frame["type"] == "ack" && frame["id"] == 0 {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let options = Options::new().replica(replica).tap(tap);
        let (connection, mut events) = self.client.connect(options);
        let up_to_date = async {
            while !matches!(events.next().await.expect("connected"), Event::Ready(_)) {}
            while !connection.replica().is_up_to_date() {
                events.next().await.expect("connected");
            }
        };
        timeout(DEADLINE, up_to_date).await.expect("up to date in time");
        let replica = connection.replica().clone();
        connection.close();
        replica
    }

    async fn check_chat(&self, replica: &Replica, chat: &Chat) {
        let known = replica.chat(chat.id).expect("known");
        assert_eq!(known.version(), chat.version, "{chat:?}");
        assert_eq!(summary(known.chat()), summary(chat));
        let messages = self.client.messages(chat.id, Anchor::After(Seq(0))).collect().await;
        for message in messages.expect("messages") {
            match known.messages().get(&message.seq) {
                Some(copy) => assert_eq!(lasting(copy), lasting(&message)),
                None => assert!(message.seq < known.complete_from(), "missing: {message:?}"),
            }
        }
    }
}

/// Others act at the same time, so a member may have left, or a chat may be gone.
fn check(outcome: Result<()>) {
    let expected = match &outcome {
        Ok(()) => true,
        Err(Error::Api(error)) => matches!(
            error.kind,
            ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::Conflict
        ),
        // The connection was cut during a request that is not retried.
        Err(error) => matches!(error, Error::Network(_)),
    };
    assert!(expected, "{outcome:?}");
}

fn summary(chat: &Chat) -> (&str, i64, Role, Seq, Option<Message>) {
    let last = chat.last_message.as_ref().map(lasting);
    (&chat.name, chat.members_count, chat.my_role, chat.last_seq, last)
}

/// A message without its status, which changes without a version.
fn lasting(message: &Message) -> Message {
    let mut message = message.clone();
    message.status = MessageStatus::Sent;
    message
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_agree_after_one_sync(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(bus) = bus_url() else { return };
    let bus = Proxy::start(&[&bus.replace("nats://", "http://")]).await;
    let url = bus.base.replace("http://", "nats://");
    let Some(one) = TestApp::start_with(backend, &[("BUS_URL", &url)]).await else { return };
    let two = one.second_node().await;
    let mut chance = Chance::new("membership");
    let mut reading = JoinSet::new();
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let proxy = Proxy::start(&[&one.base, &two.base]).await;
        let server = Server::new(&proxy.base);
        let account = Registration::new(format!("cat{number}"), PASSWORD);
        let client = server.register(&account).await.expect("registered");
        let id = client.me().await.expect("me").id;
        let options = Options::new().backoff(Duration::from_millis(1), Duration::from_secs(30));
        let (connection, mut events) = client.connect(options);
        reading.spawn(async move { while events.next().await.is_some() {} });
        let (others, chance) = (Vec::new(), chance.fork());
        people.push(Person { id, others, client, connection, proxy, chance });
    }
    let ids: Vec<_> = people.iter().map(|person| person.id).collect();
    for person in &mut people {
        person.others = ids.iter().copied().filter(|id| *id != person.id).collect();
    }
    let people = join_all(people.into_iter().map(|person| person.act(&bus))).await;
    for person in &people {
        person.check_replica().await;
    }
}
