//! Tests of the checks: each planted error must be found, and a correct history must pass.

use std::collections::{BTreeMap, HashMap};

use meowsenger_client::types::{Chat, Message};
use meowsenger_client::{ChatId, Frame, MessageId, Replica, Version};
use serde_json::{Value, json};

use super::history::{Entry, Reported, What};
use super::judge::{self, Sends, Truth};

const CHAT: ChatId = ChatId(3);
const TIME: &str = "2026-01-01T00:00:00.000001Z";

fn entries(whats: impl IntoIterator<Item = What>) -> Vec<Entry> {
    whats.into_iter().map(|what| Entry { at: 0, client: Some(1), what }).collect()
}

fn frames(frames: &[Value]) -> Vec<Entry> {
    entries(frames.iter().map(|frame| What::Frame(1, frame.clone())))
}

fn change(version: i64) -> Value {
    json!({"type": "message.created", "chat": 3, "version": version})
}

fn reported(versions: &[i64]) -> Vec<Entry> {
    let first = Reported::Created { chat: CHAT, version: Version(1) };
    let change = |version: &i64| Reported::Change { chat: CHAT, version: Version(*version) };
    entries([first].into_iter().chain(versions.iter().map(change)).map(What::Reported))
}

fn user() -> Value {
    json!({"id": 1, "username": "a", "first_name": "", "last_name": "", "avatar": null})
}

fn message(seq: i64) -> Message {
    serde_json::from_value(json!({
        "id": seq, "chat": 3, "seq": seq, "version": seq + 1, "sender": user(),
        "content": "meow", "timestamp": TIME, "edited_at": null, "deleted_at": null,
        "reply_to": null, "client_id": format!("m{seq}"), "status": "sent",
    }))
    .expect("a message")
}

fn chat(last_seq: i64) -> Chat {
    serde_json::from_value(json!({
        "id": 3, "type": "group", "name": "Kitchen", "description": "", "avatar": null,
        "created_at": TIME, "created_by": null, "members_count": 1, "peer": null,
        "my_role": "owner", "last_message": null, "unread_count": 0, "last_seq": last_seq,
        "last_read_seq": 0, "version": last_seq + 1,
    }))
    .expect("a chat")
}

/// Three acknowledged messages.
fn sends() -> Sends {
    let acked: HashMap<_, _> = (1..=3).map(|seq| (format!("m{seq}"), message(seq))).collect();
    let tried = acked.keys().map(|name| (name.clone(), CHAT)).collect();
    Sends { acked, tried, ..Sends::default() }
}

#[test]
fn frames_that_are_lost_repeated_or_reordered_are_found() {
    let ready = json!({"type": "ready", "user": {"id": 1}, "versions": {"3": 1}});
    let resync = json!({"type": "resync", "chats": [3]});
    let judged = |rest: &[Value]| {
        let mut all = vec![ready.clone()];
        all.extend_from_slice(rest);
        judge::frames(&frames(&all)).len()
    };
    assert_eq!(judged(&[change(2), change(3)]), 0);
    assert_eq!(judged(&[resync.clone(), change(2), change(5), change(6)]), 0, "announced");
    assert_eq!(judged(&[change(2), change(4)]), 1, "lost");
    assert_eq!(judged(&[change(2), change(2)]), 1, "repeated");
    assert!(judged(&[change(3), change(2)]) > 0, "reordered");
    assert_eq!(judged(&[resync, change(4), change(6)]), 1, "announced once");
    assert_eq!(judged(&[json!({"type": "message.created", "chat": 4, "version": 2})]), 1, "whose?");

    let gone = json!({"type": "chat.deleted", "chat": 3});
    assert_eq!(judged(std::slice::from_ref(&gone)), 0);
    assert_eq!(judged(&[gone.clone(), gone.clone()]), 1, "repeated");
    let joined = json!({
        "type": "member.joined", "chat": 3, "version": 2, "member": {"user": {"id": 1}},
    });
    assert_eq!(
        judged(&[joined, gone.clone(), gone]),
        0,
        "two departures, and a join that was missed"
    );
}

#[test]
fn events_that_are_lost_repeated_or_reordered_are_found() {
    assert!(judge::reported(&reported(&[2, 3, 4]), false).is_empty());
    for (versions, what) in [([2, 4, 5], "lost"), ([2, 2, 3], "repeated"), ([3, 2, 4], "reordered")]
    {
        assert!(!judge::reported(&reported(&versions), false).is_empty(), "{what}");
    }
    let resynced = |from, upto| {
        let (from, upto) = (Version(from), Version(upto));
        entries([What::Reported(Reported::Resynced { chat: CHAT, from, upto })])
    };
    let mut announced = reported(&[2]);
    announced.extend(resynced(2, 9));
    assert!(judge::reported(&announced, false).is_empty());
    announced.extend(resynced(8, 10));
    assert_eq!(judge::reported(&announced, false).len(), 1, "not from where one was");

    let mut forgotten = reported(&[2]);
    forgotten.extend(entries([What::Reported(Reported::Forgotten)]));
    forgotten.extend(reported(&[2, 3]));
    assert!(judge::reported(&forgotten, true).is_empty());
    assert_eq!(judge::reported(&forgotten, false).len(), 1, "the epoch changed");
}

#[test]
fn messages_that_are_lost_doubled_or_nobodys_are_found() {
    let judged = |messages: &[Message]| {
        judge::messages(&chat(messages.len() as i64), messages, &sends()).faults.len()
    };
    let right = [message(1), message(2), message(3)];
    assert_eq!(judged(&right), 0);
    assert_eq!(judged(&right[..2]), 1, "an acknowledged one is lost");
    assert!(judged(&[message(1), message(3)]) >= 2, "and leaves a gap");
    let mut doubled = message(4);
    doubled.client_id.clone_from(&right[1].client_id);
    assert!(judged(&[message(1), message(2), message(3), doubled]) > 0);
    assert_eq!(judged(&[message(1), message(2), message(3), message(4)]), 1, "nobody sent it");
    let mut other = message(2);
    other.id = MessageId(99);
    assert_eq!(judged(&[message(1), other, message(3)]), 1, "not the one acknowledged");

    let mut forgiven = sends();
    forgiven.forgive();
    let findings = judge::messages(&chat(1), &right[..1], &forgiven);
    assert_eq!((findings.lost, findings.forgiven, findings.faults.len()), (0, 2, 0));
}

#[test]
fn a_replica_or_a_node_that_differs_is_found() {
    let mut replica = Replica::default();
    replica.apply(Frame::ChatCreated(chat(2)));
    replica.merge_messages(&[message(1), message(2)]);
    let truth =
        |messages: Vec<Message>, last_seq| Truth::from([(CHAT, (chat(last_seq), messages))]);
    assert!(judge::replica(1, &replica, &truth(vec![message(1), message(2)], 2)).is_empty());
    assert!(!judge::replica(1, &replica, &Truth::new()).is_empty(), "a chat that is not there");
    let newer = truth(vec![message(1), message(2), message(3)], 3);
    assert!(!judge::replica(1, &replica, &newer).is_empty(), "behind");
    let mut edited = message(1);
    edited.content = "purr".to_owned();
    assert!(!judge::replica(1, &replica, &truth(vec![edited, message(2)], 2)).is_empty());
    assert!(!judge::replica(1, &replica, &truth(vec![message(1)], 2)).is_empty(), "one too many");

    let node = |version| BTreeMap::from([(CHAT, (Version(version), vec![message(1)]))]);
    assert!(judge::nodes(&[node(2), node(2), node(2)]).is_empty());
    assert_eq!(judge::nodes(&[node(2), node(3), node(3)]).len(), 1);
}
