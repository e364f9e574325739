//! Messages, and the batches in which they are sent.

use std::time::Duration;

use meowsenger::domain::ids::{ChatId, MessageId};
use meowsenger::domain::message::{Content, LastChange, Message, NewMessage};
use meowsenger::domain::numbering::{Seq, Version};
use meowsenger::domain::receipt::MessageStatus;
use meowsenger::store::messages::Span;
use meowsenger::store::{chats, member_chats, members, messages};
use rstest::rstest;

use crate::support::{Backend, NOW, Store, later, message, named};

fn seqs(list: &[Message]) -> Vec<i64> {
    list.iter().map(|message| message.seq.0).collect()
}

#[rstest]
#[tokio::test]
async fn messages_are_paged_by_seq_and_by_version(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let (chat, other) = (store.group(a, &[b]).await, store.group(a, &[]).await);
    let mut ids = Vec::new();
    for sender in [a, b, a, b] {
        ids.push(store.say(chat, sender, "meow").await);
        store.say(other, a, "elsewhere").await;
    }
    let db = &store.db;
    let read = async |at, back, ahead| {
        let page = messages::page(db, chat, a, Span { at: Seq(at), back, ahead }).await.unwrap();
        let page = page.expect("a member");
        assert_eq!((page.last_seq.0, page.last_delivered_seq.0), (4, 3));
        seqs(&page.messages)
    };
    assert_eq!(read(i64::MAX, 3, 0).await, [2, 3, 4]);
    assert_eq!(read(9, 2, 9).await, [3, 4], "the newest instead of one that does not exist");
    assert_eq!(read(1, 9, 0).await, [1]);
    assert_eq!(read(0, 0, 3).await, [1, 2, 3]);
    assert_eq!(read(3, 0, 9).await, [4]);
    assert_eq!(read(2, 2, 1).await, [1, 2, 3]);
    assert_eq!(read(4, 0, 9).await, [0; 0]);
    let span = Span { at: Seq(1), back: 1, ahead: 0 };
    assert!(messages::page(db, other, b, span).await.unwrap().is_none(), "not a member");

    let mut tx = store.tx().await;
    messages::edit(&mut tx, ids[0], &Content::of_row("miau".into()), Version(6), later(1))
        .await
        .expect("edited");
    messages::bury(&mut tx, ids[2], Version(7), later(2)).await.expect("buried");
    tx.commit().await.expect("committed");
    let changed = messages::changed(db, chat, Version(3), Version(7)).await.unwrap();
    assert_eq!(seqs(&changed), [4, 1, 3], "in version order");
    assert_eq!(
        seqs(&messages::changed(db, chat, Version(2), Version(6)).await.unwrap()),
        [2, 4, 1]
    );
    let kinds: Vec<_> = changed.iter().map(|message| message.last_change).collect();
    assert_eq!(kinds, [LastChange::Created, LastChange::Edited, LastChange::Deleted]);
    let (edited, buried) = (&changed[1], &changed[2]);
    assert_eq!((edited.content.as_str(), edited.version.0), ("miau", 6));
    assert_eq!(
        (edited.edited_at, edited.deleted_at, edited.timestamp),
        (Some(later(1)), None, NOW)
    );
    assert_eq!((buried.content.as_str(), buried.version.0), ("", 7));
    assert_eq!((buried.edited_at, buried.deleted_at), (None, Some(later(2))));
    assert_eq!((buried.sender.id, buried.sender.username.as_str()), (a, "a"));
    assert_eq!(buried.status, MessageStatus::Sent);

    let asked = [ids[3], MessageId(999), ids[1]];
    let mut found = messages::by_ids(db, &asked).await.unwrap();
    found.sort_by_key(|message| message.id);
    assert_eq!(found.iter().map(|m| m.id).collect::<Vec<_>>(), [ids[1], ids[3]]);
}

#[rstest]
#[tokio::test]
async fn the_kind_of_the_last_change_is_on_the_row_and_inferred_where_it_is_not(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let a = store.user("a").await;
    let chat = store.group(a, &[]).await;
    let id = store.say(chat, a, "meow").await;
    let mut tx = store.tx().await;
    let mut change = async |sql: &'static str| {
        tx.query(sql).bind(id).execute().await.expect("changed");
        messages::by_ids(&mut tx, &[id]).await.unwrap()[0].last_change
    };
    let stored = change("update messages set content = 'unchanged kind' where id = $1").await;
    assert_eq!(stored, LastChange::Created);
    // A program that does not know the column edits the message.
    let edit = "update messages set version = 3, edited_at = timestamp where id = $1";
    assert_eq!(change(edit).await, LastChange::Edited);
    // A kind that is still to come.
    let pin = "update messages set version = 4, last_change = 'pinned' where id = $1";
    assert_eq!(change(pin).await, LastChange::Other);
    // Rows from before the column.
    assert_eq!(
        change("update messages set last_change = null where id = $1").await,
        LastChange::Edited
    );
    let never_edited = "update messages set edited_at = null where id = $1";
    assert_eq!(change(never_edited).await, LastChange::Created);
    let delete = "update messages set version = 5, deleted_at = timestamp where id = $1";
    assert_eq!(change(delete).await, LastChange::Deleted);
}

#[rstest]
#[tokio::test]
async fn only_a_member_learns_the_chat_of_a_message(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let chat = store.group(a, &[]).await;
    let id = store.say(chat, a, "meow").await;
    assert_eq!(messages::chat_for_member(&store.db, id, a).await.unwrap(), Some(chat));
    assert_eq!(messages::chat_for_member(&store.db, id, b).await.unwrap(), None);
    assert_eq!(messages::chat_for_member(&store.db, MessageId(999), a).await.unwrap(), None);
}

#[rstest]
#[tokio::test]
async fn content_comes_back_exactly(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let a = store.user("a").await;
    let chat = store.group(a, &[]).await;
    let contents = [
        r#"'single' "double" `back` $1 {} {"a": [1, null]}"#.to_owned(),
        r"back\slash \n \u0041 \\".to_owned(),
        " \t lines\r\n kept \u{2028}\u{2029}\u{85} ".to_owned(),
        "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301} \u{202e}rtl \u{feff} \u{1} \u{10ffff}".to_owned(),
        "🐈".repeat(10_000),
        "\\\"".repeat(5_000),
        "123".to_owned(),
        "null".to_owned(),
        "1e3".to_owned(),
    ];
    let batch: Vec<_> = contents
        .iter()
        .enumerate()
        .map(|(n, content)| named(message(chat, a, content), &format!("'{n}\\\" 🐈")))
        .collect();
    store.send(&batch, NOW).await;
    let kept = store.messages(chat, a).await;
    for (n, (kept, content)) in kept.iter().zip(&contents).enumerate() {
        assert_eq!(kept.content.as_str(), content);
        assert_eq!(kept.client_id, Some(format!("'{n}\\\" 🐈")));
    }
    assert_eq!(kept.len(), contents.len());

    let mut tx = store.tx().await;
    for content in contents.map(Content::of_row) {
        messages::edit(&mut tx, kept[0].id, &content, Version(99), NOW).await.expect("edited");
        let read = messages::by_ids(&mut tx, &[kept[0].id]).await.unwrap();
        assert_eq!(read[0].content, content);
    }
}

#[rstest]
#[tokio::test]
async fn a_batch_over_several_chats_moves_each_on(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let (one, two) = (store.group(a, &[b]).await, store.group(b, &[a]).await);
    let first = store.say(two, b, "before").await;
    let answer = NewMessage { reply_to: Some(first), ..message(two, a, "answer") };
    let batch = [
        message(one, a, "1"),
        named(answer, "x"),
        message(one, b, "2"),
        named(message(one, a, "3"), "x"),
    ];
    let ids = store.send(&batch, later(9)).await;

    let of_one = store.messages(one, a).await;
    let contents: Vec<_> = of_one.iter().map(|m| (m.content.as_str(), m.version.0, m.id)).collect();
    assert_eq!(contents, [("1", 2, ids[0]), ("2", 3, ids[2]), ("3", 4, ids[3])]);
    let answer = store.messages(two, a).await.remove(1);
    assert_eq!((answer.seq.0, answer.version.0, answer.timestamp), (2, 3, later(9)));
    assert_eq!((answer.reply_to, answer.client_id.as_deref()), (Some(first), Some("x")));

    for (chat, version, seq, last) in [(one, 4, 3, ids[3]), (two, 3, 2, ids[1])] {
        let seen = member_chats::of_member(&store.db, a, &[chat]).await.unwrap().remove(0);
        assert_eq!((seen.chat.version.0, seen.chat.last_seq.0), (version, seq));
        let newest = seen.last_message.map(|message| message.id);
        assert_eq!((newest, seen.cursor.activity), (Some(last), last.0));
        assert_eq!((seen.last_read_seq.0, seen.unread_count), (seq, 0), "a wrote the last one");
    }
    let b_in_one =
        members::after(&store.db, one, members::MemberCursor::START, 9).await.unwrap().remove(1);
    assert_eq!((b_in_one.last_read_seq.0, b_in_one.last_delivered_seq.0), (2, 2));

    // A clock that was set back does not move a chat down the list, nor its times back.
    let newest = store.send(&[message(one, b, "4")], NOW).await[0];
    let seen = member_chats::of_member(&store.db, b, &[one]).await.unwrap().remove(0);
    assert_eq!((seen.cursor.activity, seen.last_read_seq.0), (newest.0, 4));
    let newest = messages::by_ids(&store.db, &[newest]).await.unwrap().remove(0);
    assert_eq!(newest.timestamp, later(9));
    // A time that is far ahead was a mistake.
    let old = NOW.minus(Duration::from_secs(90_000));
    let newest = store.send(&[message(one, b, "5")], old).await[0];
    let newest = messages::by_ids(&store.db, &[newest]).await.unwrap().remove(0);
    assert_eq!(newest.timestamp, old);
}

#[rstest]
#[tokio::test]
async fn what_a_send_depends_on_is_resolved(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (a, b) = (store.user("a").await, store.user("b").await);
    let (chat, other) = (store.group(a, &[]).await, store.group(a, &[b]).await);
    let ids = store.send(&[named(message(chat, a, "1"), "7"), message(chat, a, "2")], NOW).await;
    let elsewhere = store.say(other, a, "3").await;
    let mut tx = store.tx().await;
    let version = chats::next_version(&mut tx, chat).await.expect("taken");
    messages::bury(&mut tx, ids[1], version, NOW).await.expect("buried");
    tx.commit().await.expect("committed");
    let reply = |to: MessageId| NewMessage { reply_to: Some(to), ..message(chat, a, "re") };
    let batch = [
        message(chat, a, "plain"),
        named(message(chat, a, "again"), "7"),
        named(message(chat, a, "new name"), "07"),
        // A `client_id` belongs to its chat and its sender.
        named(message(other, a, "elsewhere"), "7"),
        named(message(other, b, "another's"), "7"),
        message(chat, b, "a stranger's"),
        message(ChatId(999), a, "nowhere"),
        reply(ids[0]),
        reply(ids[1]),
        reply(elsewhere),
        reply(MessageId(999)),
        named(reply(ids[0]), "7"),
        named(reply(ids[1]), "twice"),
        named(reply(ids[0]), "twice"),
        named(message(chat, a, "again"), "twice"),
    ];
    let posted = store.post(&batch, NOW).await.expect("committed");
    let resolved: Vec<_> = posted
        .resolved
        .iter()
        .enumerate()
        .filter_map(|(n, one)| Some((n, one.as_ref()?)))
        .collect();
    let answers: Vec<_> =
        resolved.iter().map(|(n, s)| (*n, s.sender.id, s.existing, s.reply_ok)).collect();
    let first = Some(ids[0]);
    assert_eq!(
        answers,
        [
            (0, a, None, true),
            (1, a, first, true),
            (2, a, None, true),
            (3, a, None, true),
            (4, b, None, true),
            (7, a, None, true),
            (8, a, None, false),
            (9, a, None, false),
            (10, a, None, false),
            (11, a, first, true),
            (12, a, None, false),
            (13, a, None, true),
            (14, a, None, true),
        ]
    );
    assert_eq!(resolved[4].1.sender.username, "b");

    let numbers = |n: usize| (resolved[n].1.version.0, resolved[n].1.last_seq.0);
    assert_eq!((numbers(0), numbers(3)), ((4, 2), (2, 1)));
    let created: Vec<_> =
        posted.created.iter().map(|&((n, seq, version), _)| (n, seq.0, version.0)).collect();
    let expected = [(0, 3, 5), (2, 4, 6), (3, 2, 3), (4, 3, 4), (7, 5, 7), (13, 6, 8)];
    assert_eq!(created, expected);
    let kept = store.messages(chat, a).await.split_off(2);
    let texts: Vec<_> = kept.iter().map(|m| (m.content.as_str(), m.seq.0, m.version.0)).collect();
    assert_eq!(texts, [("plain", 3, 5), ("new name", 4, 6), ("re", 5, 7), ("re", 6, 8)]);
}
