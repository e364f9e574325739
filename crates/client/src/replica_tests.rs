//! Property tests: whatever a connection drops, repeats and reorders, the replica converges to the model of
//! the server, and its events are in order. And single rules, one by one.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use model::{ServerChat, Wire, World};

use crate::ids::Seq;

#[path = "replica_model.rs"]
mod model;

const ME: i64 = 1;
const OTHER: i64 = 2;
/// The chat that is private.
const PRIVATE: ChatId = ChatId(3);
const TIME: &str = "2026-01-01T00:00:00.000001Z";

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a valid body")
}

fn user(id: i64) -> Value {
    json!({"id": id, "username": id.to_string(), "first_name": "", "last_name": "", "avatar": null})
}

/// A user with a profile.
fn profile(id: i64, first_name: &str) -> Value {
    let mut user = user(id);
    user["first_name"] = json!(first_name);
    (user["status"], user["status_text"]) = (json!("online"), json!(""));
    (user["last_seen"], user["date_joined"]) = (Value::Null, json!(TIME));
    user
}

proptest! {
    // PROPTEST_CASES=100000 for a thorough search.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(3_000),
        ..ProptestConfig::default()
    })]

    /// Drops that the server announces are repaired on the same connection.
    #[test]
    fn announced_drops_are_repaired_by_a_sync(
        steps in vec(any::<(u8, u8, u8)>(), 1..150),
        limit in 1_usize..5,
    ) {
        let mut world = World::new(limit);
        world.connect();
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.check_converged();
    }

    /// Silent drops are repaired by the next connection.
    #[test]
    fn silent_drops_are_repaired_by_a_reconnection(
        steps in vec((any::<(u8, u8, u8)>(), 0_u8..8), 1..150),
    ) {
        let mut world = World::new(500);
        world.connect();
        for (step, drop) in steps {
            world.step(step);
            if drop == 0 {
                world.lose();
            }
        }
        world.connect();
        world.settle();
        world.check_converged();
    }
}

#[test]
fn a_gap_is_filled_before_later_changes_are_applied() {
    let mut world = World::new(500);
    world.connect();
    world.change(0, 0);
    world.settle();
    for _ in 0..3 {
        world.change(0, 0);
    }
    world.wire.pop_front();
    world.deliver();
    let request = world.requested.clone().expect("a sync request");
    assert_eq!(request.versions, BTreeMap::from([(ChatId(1), Version(1))]));
    world.deliver();
    assert_eq!(world.seen[&ChatId(1)], Version(1), "later changes are buffered");
    world.settle();
    assert_eq!(world.seen[&ChatId(1)], Version(4));
    world.check_converged();
}

#[test]
fn a_sync_answer_that_predates_leaving_does_not_restore_the_chat() {
    let mut world = World::new(500);
    world.change(0, 0);
    world.connect();
    world.deliver();
    for _ in 0..3 {
        world.work();
    }
    world.change(7, 0);
    world.deliver();
    let answer = world.answered.take().expect("answered before leaving");
    world.wire.push_back(Wire::Answer(answer));
    world.settle();
    world.check_converged();
}

#[test]
fn the_settings_of_a_frame_are_not_replaced_by_an_older_answer() {
    let chat = |pinned: bool, version: i64| -> Value {
        let mut chat = ServerChat::default();
        chat.version = Version(version);
        let mut chat = serde_json::to_value(chat.view(ChatId(1))).expect("JSON");
        chat["pinned"] = pinned.into();
        chat
    };
    let frame = |value: Value| Frame::parse(&value.to_string()).expect("valid");
    let set = |pinned: bool, account: i64| {
        frame(json!({
            "type": "chat.settings", "chat": 1, "account": account, "muted_until": null,
            "pinned": pinned, "archived": false,
        }))
    };
    let answer = |account: i64, pinned: bool, version: i64| -> SyncResponse {
        let chats = json!([{
            "chat": 1, "last_read_seq": 0, "unread_count": 0, "pinned": pinned,
            "muted_until": null, "archived": false,
        }]);
        let change = json!({"chat": chat(pinned, version), "messages": [], "more": false});
        parse(json!({
            "epoch": "e", "changes": [change], "gone": [], "more": false,
            "account": {"version": account, "user": null, "chats": chats, "blocks": [], "more": false},
        }))
    };
    let is_pinned =
        |replica: &Replica| replica.chat(ChatId(1)).is_some_and(|chat| chat.chat().settings.pinned);
    let mut replica = Replica::default();
    // A chat that another node announces after its settings.
    replica.apply(set(true, 5));
    replica.apply(frame(json!({"type": "chat.created", "chat": chat(false, 1)})));
    assert!(is_pinned(&replica));
    // An answer that was read before the frame, and one that was read after it.
    replica.gaps.needs_sync = true;
    replica.next_sync().expect("a request");
    replica.apply_sync(answer(4, false, 2));
    assert!(is_pinned(&replica));
    replica.gaps.needs_sync = true;
    replica.next_sync().expect("a request");
    replica.apply_sync(answer(6, false, 3));
    assert!(!is_pinned(&replica));
    replica.apply(set(true, 7));
    assert!(is_pinned(&replica));
    // Blocks likewise.
    let block = |blocked: bool, account: i64| {
        let frame =
            json!({"type": "block.updated", "user": 9, "blocked": blocked, "account": account});
        Frame::parse(&frame.to_string()).expect("valid")
    };
    let private = |blocked: bool, version: i64| -> Value {
        let peer = profile(9, "");
        let mut chat = chat(false, version);
        (chat["id"], chat["type"], chat["peer"]) = (json!(2), json!("private"), peer);
        chat["blocked"] = blocked.into();
        chat
    };
    replica.apply(block(true, 8));
    replica.apply(frame(json!({"type": "chat.created", "chat": private(false, 1)})));
    let is_blocked = |replica: &Replica| replica.chat(ChatId(2)).map(|chat| chat.chat().blocked);
    assert_eq!(is_blocked(&replica), Some(true));
    replica.gaps.needs_sync = true;
    replica.next_sync().expect("a request");
    let mut delta = answer(9, true, 3);
    let ended = json!({"user": 9, "blocked": false});
    delta.account.as_mut().expect("an account").blocks = vec![parse(ended)];
    replica.apply_sync(delta);
    assert_eq!(is_blocked(&replica), Some(false));
    // What was set before leaving does not count after the return.
    replica.apply(frame(json!({"type": "chat.deleted", "chat": 1})));
    replica.apply(frame(json!({"type": "chat.created", "chat": chat(false, 9)})));
    assert!(!is_pinned(&replica));
}

/// A replica that knows one chat and is in sync, and what the server sends to it.
struct Device(Replica);

impl Device {
    fn new() -> Self {
        let mut device = Self(Replica::default());
        device.gets(
            json!({"type": "ready", "user": profile(ME, ""), "session": 1, "server_time": TIME,
            "epoch": "e", "heartbeat": 30, "versions": {}, "account": 0}),
        );
        device.gets(json!({"type": "chat.created", "chat": Self::chat(1, 0)}));
        device
    }

    fn chat(id: i64, last_seq: i64) -> Value {
        let mut chat = serde_json::to_value(ServerChat::default().view(ChatId(id))).expect("JSON");
        (chat["version"], chat["last_seq"]) = (json!(1), json!(last_seq));
        chat["unread_count"] = json!(last_seq);
        chat
    }

    fn gets(&mut self, frame: Value) {
        self.0.apply(Frame::parse(&frame.to_string()).expect("a valid frame"));
    }

    /// A message by the other user.
    fn gets_message(&mut self, kind: &str, seq: i64, version: i64) {
        let deleted_at = (kind == "message.deleted").then_some(TIME);
        self.gets(json!({"type": kind, "chat": 1, "version": version, "message": {
            "id": seq, "chat": 1, "seq": seq, "version": version, "sender": user(OTHER),
            "content": "", "timestamp": TIME, "edited_at": null, "deleted_at": deleted_at,
            "reply_to": null, "client_id": null, "status": "sent", "mentions": [ME],
        }}));
    }

    fn gets_receipt(&mut self, chat: i64, seq: i64, account: i64) {
        self.gets(json!({"type": "receipt", "chat": chat, "user": ME, "last_delivered_seq": seq,
            "last_read_seq": seq, "account": account}));
    }

    /// The answer to a sync: of the account, a chat with a read marker.
    fn gets_answer(&mut self, changes: Value, account: i64, chat: i64, read: i64) {
        let state = json!({"chat": chat, "last_read_seq": read, "unread_count": 0,
            "unread_mentions": 0, "muted_until": null, "pinned": true, "archived": false});
        self.0.apply_sync(parse(json!({
            "epoch": "e", "changes": changes, "gone": [], "more": false,
            "account": {"version": account, "user": null, "chats": [state], "blocks": [], "more": false},
        })));
    }

    /// The read marker, what is unread, and what of that mentions the user.
    fn counts(&self, chat: i64) -> (i64, i64, i64) {
        let chat = self.0.chat(ChatId(chat)).expect("a known chat").chat();
        (chat.last_read_seq.0, chat.unread_count, chat.unread_mentions)
    }

    fn ask(&mut self) -> Option<Version> {
        self.0.next_sync().expect("a request").account
    }
}

#[test]
fn a_message_that_was_read_before_it_arrived_is_not_unread() {
    let mut device = Device::new();
    device.gets_receipt(1, 1, 1);
    device.gets_message("message.created", 1, 2);
    assert_eq!(device.counts(1), (1, 0, 0));
    device.gets_message("message.created", 2, 3);
    assert_eq!(device.counts(1), (1, 1, 1));
}

#[test]
fn a_message_that_changed_before_it_arrived_is_new() {
    let mut device = Device::new();
    device.gets_message("message.updated", 1, 2);
    assert_eq!(device.counts(1), (0, 1, 1));
    device.gets_message("message.deleted", 2, 3);
    assert_eq!(device.counts(1), (0, 1, 1));
    let last = device.0.chat(ChatId(1)).map(|chat| chat.chat().last_seq);
    assert_eq!(last, Some(Seq(2)));
}

#[test]
fn the_accounts_version_is_not_taken_over_with_the_state_of_a_chat_that_is_stale() {
    let mut device = Device::new();
    device.gets(json!({"type": "resync"}));
    assert_eq!(device.ask(), Some(Version(0)));
    device.gets(json!({"type": "chat.created", "chat": Device::chat(2, 3)}));
    device.gets_answer(json!([]), 5, 2, 3);
    assert_eq!(device.ask(), Some(Version(0)));
    device.gets_answer(json!([]), 5, 2, 3);
    assert_eq!(device.counts(2), (3, 0, 0));
    assert_eq!(device.0.account_version(), Some(Version(5)));
    assert!(device.0.is_up_to_date());
}

#[test]
fn the_accounts_version_is_not_taken_over_with_the_state_of_a_chat_for_which_an_answer_had_no_room()
{
    let mut device = Device::new();
    device.gets(json!({"type": "resync"}));
    device.ask();
    device.gets_answer(json!([]), 5, 2, 3);
    device.gets(json!({"type": "chat.created", "chat": Device::chat(2, 3)}));
    assert_eq!(device.ask(), Some(Version(0)));
    device.gets_answer(json!([]), 5, 2, 3);
    assert_eq!(device.counts(2), (3, 0, 0));
    assert!(device.0.is_up_to_date());
}

#[test]
fn a_receipt_of_the_user_may_be_faster_than_the_chat_that_it_is_about() {
    // During a sync, whose answer has the chat as it was before.
    let mut device = Device::new();
    device.gets(json!({"type": "resync"}));
    device.ask();
    device.gets_receipt(2, 3, 1);
    let change = json!({"chat": Device::chat(2, 3), "messages": [], "more": false});
    device.gets_answer(json!([change]), 0, 1, 0);
    assert_eq!((device.ask(), device.counts(2)), (Some(Version(0)), (0, 3, 0)));
    device.gets_answer(json!([]), 1, 2, 3);
    assert_eq!(device.counts(2), (3, 0, 0));
    // Without one: another node announces the chat.
    device.gets_receipt(3, 2, 2);
    device.gets(json!({"type": "chat.created", "chat": Device::chat(3, 2)}));
    assert_eq!(device.ask(), Some(Version(1)));
    device.gets_answer(json!([]), 2, 3, 2);
    assert_eq!(device.counts(3), (2, 0, 0));
    assert!(device.0.is_up_to_date());
}
