//! `meowsenger-client` against the server: it stays in sync whatever happens to the connection.

use std::pin::pin;
use std::time::Duration;

use meowsenger_client::types::{Draft, NewGroup, Registration, Role, Upload};
use meowsenger_client::{
    Anchor, Auth, Change, ChatId, Connection, Error, ErrorKind, Event, Events, Options, Resynced,
    Seq, Server, Signal, Version,
};
use rstest::rstest;
use serde_json::json;
use tokio::time::timeout;

use crate::support::socket::DEADLINE;
use crate::support::{Backend, PASSWORD, Proxy, TestApp, eventually};

/// Skips events until the expected one.
async fn wait_for<T>(events: &mut Events, wanted: impl Fn(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = events.next().await.expect("it goes on");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };
    timeout(DEADLINE, found).await.expect("in time")
}

/// Options with a short backoff.
fn hasty() -> Options {
    Options::new().backoff(Duration::from_millis(1), Duration::from_secs(30))
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bots_talk(#[values(Backend::Sqlite, Backend::Postgres)] backend: Backend) {
    let Some(app) = TestApp::start(backend).await else { return };
    let server = Server::new(&app.base);
    let alice = server.register(&Registration::new("alice", PASSWORD)).await.expect("registered");
    let bob = server.register(&Registration::new("bob", PASSWORD)).await.expect("registered");
    let (alice_id, bob_id) = (alice.me().await.expect("me").id, bob.me().await.expect("me").id);
    let (alice_live, mut alice_hears) = alice.connect(Options::default());
    let (bob_live, mut bob_hears) = bob.connect(Options::new().auth(Auth::Frame));
    for events in [&mut alice_hears, &mut bob_hears] {
        wait_for(events, |event| matches!(event, Event::Ready(_)).then_some(())).await;
    }

    let chat =
        alice.create_group(&NewGroup::new("Kitchen").members([bob_id])).await.expect("made").id;
    let created = |event| match event {
        Event::ChatCreated(chat) => Some(chat.id),
        _ => None,
    };
    assert_eq!(wait_for(&mut bob_hears, created).await, chat);
    assert_eq!(wait_for(&mut alice_hears, created).await, chat);

    let sent = alice_live.send(chat, "meow").await.expect("acked");
    alice_live.edit(sent.id, "purr").await.expect("acked");
    let second = alice.send(chat, "hiss").await.expect("sent");
    alice_live.delete(second.id).await.expect("acked");
    bob_live.mark_read(chat, Seq(2)).await.expect("acked");
    let mut changes = Vec::new();
    while changes.len() < 4 {
        let next = |event| match event {
            Event::Change(change) => Some(change),
            _ => None,
        };
        changes.push(wait_for(&mut bob_hears, next).await);
    }
    assert!(matches!(
        &changes[..],
        [
            Change::MessageCreated { version: Version(2), .. },
            Change::MessageUpdated { version: Version(3), .. },
            Change::MessageCreated { version: Version(4), .. },
            Change::MessageDeleted { version: Version(5), .. },
        ]
    ));
    let receipt = |event| match event {
        Event::Signal(Signal::Receipt { user, markers, .. }) if user == bob_id => Some(markers),
        _ => None,
    };
    assert_eq!(wait_for(&mut alice_hears, receipt).await.last_read_seq, Seq(2));

    let page = bob.messages(chat, Anchor::After(Seq(0))).next_page().await.expect("a page");
    let page = page.expect("the first");
    let replica = alice_live.replica().clone();
    let known = replica.chat(chat).expect("known");
    assert_eq!(known.messages().len(), 2);
    for message in page.results {
        let copy = &known.messages()[&message.seq];
        assert_eq!((copy.version, &copy.content), (message.version, &message.content));
    }
    assert_eq!(known.markers()[&bob_id].last_read_seq, Seq(2));
    assert_eq!(bob_live.replica().chat(chat).expect("known").chat().unread_count, 0);

    let refused = bob.set_role(chat, alice_id, Role::Member).await.expect_err("no owner");
    assert_eq!(refused.kind(), Some(ErrorKind::PermissionDenied));
    let refused = bob_live.send(chat, "").await.expect_err("blank");
    let Error::Api(error) = refused else { panic!("{refused}") };
    assert_eq!(error.errors["content"], ["This field may not be blank."]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_made_good_on_another_node(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(app) = TestApp::start(backend).await else { return };
    let other_node = app.second_node().await;
    let proxy = Proxy::start(&[&app.base]).await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let first = alice.say(chat, "one").await["id"].clone();
    let client = Server::new(&proxy.base).log_in(&bob.username, PASSWORD).await.expect("in");
    let (live, mut events) = client.connect(hasty());
    let resynced = |event| match event {
        Event::Resynced(resynced) => Some(resynced),
        _ => None,
    };
    let Resynced { from: Version(0), to: Version(2), .. } = wait_for(&mut events, resynced).await
    else {
        panic!("the chat as it is")
    };

    proxy.lead_to(&[]);
    proxy.cut();
    wait_for(&mut events, |e| matches!(e, Event::Disconnected { .. }).then_some(())).await;
    let sending = live.send(ChatId(chat), "from afar");
    let away = async {
        alice.say(chat, "two").await;
        let body = serde_json::json!({"content": "one, edited"});
        alice.put(&format!("/api/messages/{first}/"), body).await.expect(200);
        proxy.lead_to(&[&other_node.base]);
    };
    let (sent, ()) = tokio::join!(sending, away);
    assert_eq!(sent.expect("acked").seq, Seq(3));
    // Missed messages come at once; its own may come with them or later.
    let Resynced { from, messages, .. } = wait_for(&mut events, resynced).await;
    assert_eq!(from, Version(2));
    let contents: Vec<_> = messages.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(contents[..2], ["two", "one, edited"]);
    while live.replica().chat(ChatId(chat)).is_some_and(|known| known.version() < Version(5)) {
        wait_for(&mut events, Some).await;
    }
    let replica = live.replica().clone();
    let contents: Vec<_> =
        replica.chats()[&ChatId(chat)].messages().values().map(|m| m.content.clone()).collect();
    assert_eq!(contents, ["one, edited", "two", "from afar"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_is_renewed_and_an_ended_session_is_the_end(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(app) = TestApp::start(backend).await else { return };
    let proxy = Proxy::start(&[&app.base]).await;
    let client = Server::new(&proxy.base);
    let client = client.register(&Registration::new("alice", PASSWORD)).await.expect("registered");
    let first = client.tokens();
    let (_live, mut events) = client.connect(hasty());
    let ready = |event: Event| matches!(event, Event::Ready(_)).then_some(());
    wait_for(&mut events, ready).await;

    app.app.clock.advance(Duration::from_secs(16 * 60));
    proxy.cut();
    wait_for(&mut events, ready).await;
    let second = client.tokens();
    assert_ne!(second, first, "renewed by the socket");
    app.app.clock.advance(Duration::from_secs(16 * 60));
    let (me, chats) = tokio::join!(client.me(), client.chats().collect());
    assert!(me.is_ok() && chats.is_ok(), "renewed once, by one of them: {me:?} {chats:?}");

    client.clone().log_out().await.expect("logged out");
    let ended = |event| match event {
        Event::Ended(error) => Some(error),
        _ => None,
    };
    assert!(matches!(wait_for(&mut events, ended).await, Error::SessionEnded));
    assert!(events.next().await.is_none());
    assert!(matches!(client.me().await, Err(Error::SessionEnded)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_whose_answer_does_not_come_is_repeated_and_there_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(app) = TestApp::start(backend).await else { return };
    let proxy = Proxy::start(&[&app.base]).await;
    let (alice, bob) = (app.user("alice").await, app.user("bob").await);
    let chat = alice.private_chat(&bob).await;
    let client = Server::new(&proxy.base).log_in(&bob.username, PASSWORD).await.expect("in");
    let options = hasty().timeout(Duration::from_millis(300));
    let (live, mut events) = client.connect(options);
    wait_for(&mut events, |event| matches!(event, Event::Resynced(_)).then_some(())).await;

    // The message may reach the server, but the answer is lost. Its file was uploaded before.
    let file = client.upload(Upload::new("a.txt", "meow")).await.expect("uploaded");
    proxy.stall(true);
    let mut sending = pin!(live.send(ChatId(chat), Draft::new("once").attachments([file.id])));
    let lost = wait_for(&mut events, |e| matches!(e, Event::Disconnected { .. }).then_some(()));
    tokio::select! {
        () = lost => {}
        sent = &mut sending => panic!("answered: {sent:?}"),
    }
    proxy.stall(false);
    let sent = sending.await.expect("acked");
    let messages = client.messages(ChatId(chat), Anchor::Newest).collect().await.expect("messages");
    let found: Vec<_> = messages
        .iter()
        .map(|message| (message.id, message.content.as_str(), message.attachments.as_slice()))
        .collect();
    assert_eq!(found, [(sent.id, "once", [file.clone()].as_slice())]);
    assert_eq!(sent.attachments, [file]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_learns_what_other_devices_of_its_user_did_meanwhile(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(app) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (app.user("tom").await, app.user("kitty").await);
    let chat = tom.private_chat(&kitty).await;
    for _ in 0..3 {
        tom.say(chat, "meow").await;
    }
    let client = Server::new(&app.base).log_in(&kitty.username, PASSWORD).await.expect("in");
    let read = async |seq: i64| {
        let path = format!("/api/chats/{chat}/read/");
        kitty.post(&path, json!({ "seq": seq })).await.expect(200);
    };
    let follows = async |live: &Connection, unread: i64, name: &str, version: i64| {
        let looks = async || {
            let replica = live.replica();
            let known = replica.chat(ChatId(chat))?.chat().unread_count;
            let user = replica.user()?.first_name.clone();
            let up_to_date = replica.account_version() >= Some(Version(version));
            (replica.is_up_to_date() && up_to_date && (known, user.as_str()) == (unread, name))
                .then_some(())
        };
        eventually(DEADLINE, &format!("{unread} unread for {name:?}"), looks).await;
    };
    let (live, events) = client.connect(hasty());
    follows(&live, 3, "", 0).await;
    let start = live.replica().account_version().expect("a version").0;
    // While it is connected: a frame that may not be the last of its version does not count as known.
    read(1).await;
    follows(&live, 2, "", start).await;

    let replica = live.replica().clone();
    drop((live, events));
    read(3).await;
    kitty.patch("/api/auth/me/", json!({"first_name": "Kit"})).await.expect(200);
    let (live, _events) = client.connect(hasty().replica(replica));
    follows(&live, 0, "Kit", start + 3).await;
    kitty.patch("/api/auth/me/", json!({"email": "kit@cat.example"})).await.expect(200);
    follows(&live, 0, "Kit", start + 4).await;
    assert_eq!(
        live.replica().user().and_then(|user| user.email.clone()).as_deref(),
        Some("kit@cat.example")
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_follows_reactions_pins_forwards_and_unread_mentions(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(app) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (app.user("tom").await, app.user("kitty").await);
    let chat = tom.group(&[&kitty]).await;
    let hail = format!("@{}", kitty.username);
    // Before the client knows the chat: only the newest message is known at first.
    let early = [tom.say(chat, &hail).await, tom.say(chat, "one").await];
    let client = Server::new(&app.base).log_in(&kitty.username, PASSWORD).await.expect("in");
    let (live, _events) = client.connect(hasty());
    let agrees = async |mentions: i64| {
        let there = client.chat(ChatId(chat)).await.expect("a chat");
        assert_eq!(there.unread_mentions, mentions);
        let newest = client.messages(ChatId(chat), Anchor::Newest).page_size(2).next_page().await;
        let newest = newest.expect("a page").expect("the first").results;
        let looks = async || {
            let replica = live.replica();
            let known = replica.chat(ChatId(chat))?;
            let messages = newest.iter().all(|one| {
                known.messages().get(&one.seq).is_none_or(|copy| copy.version == one.version)
            });
            let is_same = known.version() == there.version && messages;
            (is_same && known.chat().unread_mentions == mentions).then_some(())
        };
        eventually(DEADLINE, &format!("{mentions} unread mentions"), looks).await;
    };
    agrees(1).await;
    let path = |message: &serde_json::Value| format!("/api/messages/{}/", message["id"]);
    tom.put(&path(&early[1]), json!({"content": "@all"})).await.expect(200);
    agrees(2).await;
    let late = tom.say(chat, &hail).await;
    agrees(3).await;
    tom.put(&format!("{}pin/", path(&late)), json!(null)).await.expect(200);
    tom.put(&format!("{}reactions/🐈/", path(&late)), json!(null)).await.expect(200);
    tom.post(&format!("{}forward/", path(&late)), json!({"chats": [chat]})).await.expect(201);
    agrees(4).await;
    tom.put(&path(&late), json!({"content": "nobody"})).await.expect(200);
    agrees(3).await;
    kitty.post(&format!("/api/chats/{chat}/read/"), json!({"seq": 2})).await.expect(200);
    agrees(1).await;
    tom.delete(&path(&late)).await.expect(204);
    agrees(1).await;
    kitty.say(chat, "purr").await;
    agrees(0).await;
    let replica = live.replica();
    let known = replica.chat(ChatId(chat)).expect("known").messages();
    assert_eq!(
        known[&Seq(4)]
            .forwarded_from
            .as_ref()
            .and_then(|from| from.user.clone())
            .map(|user| user.id.0),
        Some(tom.id)
    );
}
