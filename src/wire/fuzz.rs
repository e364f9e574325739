//! Property tests of what parses JSON from clients: no input makes a parser panic, valid frames keep
//! their values, and the two parsers of a sync's body agree.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::domain::ids::{ChatId, MessageId};
use crate::domain::numbering::Seq;

use super::fast_sync;
use super::fields::Fields;
use super::incoming::{Incoming, Request};
use super::sync::Sync;

const MESSAGE_MAX: usize = 20;
const TYPES: [&str; 10] = [
    "auth",
    "ping",
    "message.send",
    "message.edit",
    "message.delete",
    "message.delivered",
    "message.read",
    "typing",
    "status",
    "status.watch",
];
const FIELDS: [&str; 15] = [
    "id",
    "type",
    "chat",
    "message",
    "content",
    "reply_to",
    "client_id",
    "seq",
    "active",
    "status",
    "text",
    "users",
    "versions",
    "epoch",
    "limit",
];

/// Any JSON, with a liking for what parsers get wrong.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2_i64..1_002).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-9_i32..9).prop_map(|number| Value::from(f64::from(number))),
        ".{0,30}".prop_map(Value::from),
        "[0-9]{1,20}".prop_map(Value::from),
        prop::sample::select(&["online", "away", "", "\0"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[+-]?[0-9]{0,20}|.{0,3}", inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// A frame with fields of any kind, some of which make sense.
fn any_frame() -> impl Strategy<Value = Map<String, Value>> {
    let kind = prop_oneof![
        4 => prop::sample::select(&TYPES[..]).prop_map(Value::from),
        1 => any_json(),
    ];
    let fields = vec((prop::sample::select(&FIELDS[..]), any_json()), 0..8);
    (kind, fields).prop_map(|(kind, fields)| {
        let mut frame = Map::from_iter([("type".to_owned(), kind)]);
        frame.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        frame
    })
}

/// A body of a sync that is valid, or nearly.
fn any_sync() -> impl Strategy<Value = String> {
    let version = prop_oneof![4 => any::<i64>().prop_map(Value::from), 1 => any_json()];
    let key = prop_oneof![4 => "[1-9][0-9]{0,17}", 1 => "0{0,2}[0-9]{1,2}", 1 => ".{0,3}"];
    let versions = prop_oneof![
        8 => vec((key, version), 0..6).prop_map(object),
        1 => any_json().prop_map(|value| value.to_string()),
    ];
    let epoch = option::of(prop_oneof![".{0,9}".prop_map(Value::from), any_json()]);
    let limit = option::of(prop_oneof![(0_i64..1_002).prop_map(Value::from), any_json()]);
    let other = option::weighted(0.1, any_json());
    (versions, epoch, limit, other).prop_map(|(versions, epoch, limit, other)| {
        let mut body = format!("{{\"versions\": {versions}");
        for (name, value) in [("epoch", epoch), ("limit", limit), ("other", other)] {
            if let Some(value) = value {
                body += &format!(", \"{name}\": {value}");
            }
        }
        body + "}"
    })
}

/// An object in which a name may come twice.
fn object(entries: Vec<(String, Value)>) -> String {
    let entries: Vec<_> =
        entries.into_iter().map(|(name, value)| format!("{}: {value}", json!(name))).collect();
    format!("{{{}}}", entries.join(", "))
}

/// Changes some bytes of a text.
fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    (text, vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 0..4)).prop_map(
        |(text, damages)| {
            let mut bytes = text.into_bytes();
            for (at, byte, how) in damages {
                let at = at.index(bytes.len().max(1));
                match how {
                    _ if at >= bytes.len() => bytes.push(byte),
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            bytes
        },
    )
}

fn check_parsers_agree(body: &[u8]) {
    if let Some(quick) = fast_sync::quick(body) {
        let text = String::from_utf8_lossy(body);
        let slow = Fields::parse(body).and_then(Sync::parse);
        let slow = slow.unwrap_or_else(|error| panic!("{error:?}: {text}"));
        assert_eq!(quick.versions, slow.versions, "{text}");
        assert_eq!((quick.epoch, quick.limit), (slow.epoch, slow.limit), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_frame_is_parsed_and_its_id_is_repeated(frame in any_frame()) {
        let incoming = Incoming::parse(&Value::Object(frame.clone()).to_string(), MESSAGE_MAX);
        let id = frame.get("id").filter(|id| !id.is_null());
        if let Some(repeated) = &incoming.id {
            prop_assert_eq!(Some(&serde_json::to_value(repeated).expect("JSON")), id);
        }
        let is_known = frame["type"].as_str().is_some_and(|kind| TYPES.contains(&kind));
        prop_assert!(is_known || incoming.request.is_err());
    }

    #[test]
    fn damaged_frames_are_parsed_or_refused(
        bytes in damaged(any_frame().prop_map(|frame| Value::Object(frame).to_string())),
    ) {
        Incoming::parse(&String::from_utf8_lossy(&bytes), MESSAGE_MAX);
    }

    #[test]
    fn valid_frames_keep_their_values(
        chat in 1..i64::MAX,
        content in "[a-zé🐈][^\0]{0,15}",
        reply_to in option::of(1..i64::MAX),
        client_id in option::of("[^\0]{1,64}"),
        seq in 0..i64::MAX,
        read in any::<bool>(),
    ) {
        let send = json!({"type": "message.send", "chat": chat, "content": content,
            "reply_to": reply_to, "client_id": client_id});
        let request = Incoming::parse(&send.to_string(), MESSAGE_MAX).request;
        let Ok(Request::Send { chat: to, draft }) = request else {
            panic!("{request:?}: {send}");
        };
        let draft = draft.into_valid().expect("a valid draft");
        let read_content = draft.content.as_ref().map(|content| content.as_str());
        prop_assert_eq!((to, read_content), (ChatId(chat), Some(content.as_str())));
        prop_assert_eq!(draft.reply_to, reply_to.map(MessageId));
        prop_assert_eq!(draft.client_id.as_ref().map(|id| id.as_str()), client_id.as_deref());

        let kind = if read { "message.read" } else { "message.delivered" };
        let mark = json!({"type": kind, "chat": chat, "seq": seq});
        let request = Incoming::parse(&mark.to_string(), MESSAGE_MAX).request;
        let Ok(Request::Mark { chat: to, seq: Ok(upto), read: is_read }) = request else {
            panic!("{request:?}: {mark}");
        };
        prop_assert_eq!((to, upto, is_read), (ChatId(chat), Seq(seq), read));
    }

    #[test]
    fn both_parsers_of_a_sync_agree(body in damaged(any_sync())) {
        check_parsers_agree(&body);
    }

    /// Otherwise the fast parser would be of no use.
    #[test]
    fn an_ordinary_sync_is_parsed_by_the_fast_parser(
        versions in btree_map("[1-9][0-9]{0,14}", any::<i64>(), 0..20),
        epoch in option::of("[0-9a-f]{16}"),
        limit in 1_i64..=1_000,
    ) {
        let body = json!({"versions": versions, "epoch": epoch, "limit": limit}).to_string();
        prop_assert!(fast_sync::quick(body.as_bytes()).is_some(), "{}", body);
        check_parsers_agree(body.as_bytes());
    }
}

#[test]
fn both_parsers_of_a_sync_agree_about_the_unusual() {
    let deep = format!("{{\"versions\": {{}}, \"x\": {}{}}}", "[".repeat(200), "]".repeat(200));
    for body in [
        r#"{"versions": {"7": 1, "007": 2}}"#,
        r#"{"versions": {}, "x": 1e999}"#,
        r#"{"versions": {}, "x": "\ud800"}"#,
        &deep,
    ] {
        check_parsers_agree(body.as_bytes());
    }
}
