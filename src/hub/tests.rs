//! The hub by itself: order, gaps, and what a connection receives while it starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::event::{Departed, Event};
use crate::domain::ids::SessionId;
use crate::domain::numbering::Version;

use proptest::prelude::{any, prop, prop_assert, proptest};

use super::bus::envelope::Route;
use super::connection::Connection;
use super::feed::Gap;
use super::feeds::Memberships;
use super::people::TooManyConnections;
use super::queue::Frame;
use super::*;

const CHAT: ChatId = ChatId(1);

fn event(version: i64) -> Event {
    samples::message_created(CHAT, Version(version))
}

fn chat_created(users: &[i64]) -> Event {
    let users: Vec<_> = users.iter().map(|id| UserId(*id)).collect();
    samples::chat_created(CHAT, Version::FIRST, &users)
}

fn connect(hub: &Hub, user: i64) -> Arc<Connection> {
    hub.connect(UserId(user), SessionId(user), 9).expect("room")
}

/// Starts delivery to a connection whose user is in these chats.
fn start(
    hub: &Hub,
    connection: &Arc<Connection>,
    versions: &[(ChatId, Version)],
) -> BTreeMap<ChatId, Version> {
    hub.start(connection, &Memberships { versions, left: &[] })
}

/// Versions of the events queued for a connection; 0 for a `resync`.
fn received(connection: &Connection) -> Vec<i64> {
    let taken = connection.queue.take();
    let version = |frame: &Frame| {
        let json: serde_json::Value = serde_json::from_str(&frame.text).expect("JSON");
        json["version"].as_i64().unwrap_or_default()
    };
    taken.frames.iter().map(version).collect()
}

#[test]
fn events_are_delivered_in_order_and_once() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let one = connect(&hub, 1);
    hub.feeds.join(&one, &[CHAT]);
    start(&hub, &one, &[(CHAT, Version(3))]);
    for version in [6, 5, 2, 4, 5, 8, 4, 7, 9] {
        hub.publish(&event(version), Reach::AllNodes);
    }
    assert_eq!(received(&one), [4, 5, 6, 7, 8, 9]);
    assert!(hub.feeds.gaps(Duration::ZERO).is_empty());
}

#[test]
fn events_during_the_start_of_a_connection_are_delivered_once() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let first = connect(&hub, 1);
    hub.feeds.join(&first, &[CHAT]);
    start(&hub, &first, &[(CHAT, Version(3))]);

    let second = connect(&hub, 2);
    hub.feeds.join(&second, &[CHAT]);
    hub.publish(&event(4), Reach::AllNodes);
    hub.publish(&event(5), Reach::AllNodes);
    // It read the database between the two commits.
    assert_eq!(start(&hub, &second, &[(CHAT, Version(4))]), BTreeMap::from([(CHAT, Version(4))]));
    hub.publish(&event(6), Reach::AllNodes);
    assert_eq!(received(&second), [5, 6]);
    assert_eq!(received(&first), [4, 5, 6]);
}

#[test]
fn a_connection_whose_reading_is_older_than_the_feed_reads_again() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (slow, fast) = (connect(&hub, 1), connect(&hub, 2));
    hub.feeds.join(&slow, &[CHAT]);
    hub.feeds.join(&fast, &[CHAT]);
    // The slow one read 3; then 4 was committed and delivered to nobody; then the fast one read 4.
    hub.publish(&event(4), Reach::AllNodes);
    start(&hub, &fast, &[(CHAT, Version(4))]);
    let reading = Memberships { versions: &[(CHAT, Version(3))], left: &[] };
    assert!(hub.feeds.is_outdated(&slow, &reading));
    hub.publish(&event(5), Reach::AllNodes);
    start(&hub, &slow, &[(CHAT, Version(4))]);
    assert_eq!((received(&slow), received(&fast)), (vec![5], vec![5]));
}

#[test]
fn a_connection_that_joins_a_feed_after_its_reading_reads_again() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (early, late) = (connect(&hub, 1), connect(&hub, 2));
    hub.feeds.join(&early, &[CHAT]);
    start(&hub, &early, &[(CHAT, Version(3))]);
    // The late one joined the chat and read 4; then 5 was delivered.
    hub.publish(&event(4), Reach::AllNodes);
    hub.publish(&event(5), Reach::AllNodes);
    let reading = Memberships { versions: &[(CHAT, Version(4))], left: &[] };
    assert!(hub.feeds.is_outdated(&late, &reading));
    hub.publish(&event(6), Reach::AllNodes);
    start(&hub, &late, &[(CHAT, Version(5))]);
    assert_eq!(received(&late), [6]);
}

#[test]
fn an_event_committed_before_the_reading_and_published_after_it_is_not_repeated() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (old, new) = (connect(&hub, 1), connect(&hub, 2));
    hub.feeds.join(&old, &[CHAT]);
    start(&hub, &old, &[(CHAT, Version(3))]);
    hub.feeds.join(&new, &[CHAT]);
    start(&hub, &new, &[(CHAT, Version(5))]);
    for version in 4..=6 {
        hub.publish(&event(version), Reach::AllNodes);
    }
    assert_eq!((received(&old), received(&new)), (vec![4, 5, 6], vec![6]));
}

#[test]
fn a_gap_is_found_and_filled_or_skipped_with_a_resync() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let one = connect(&hub, 1);
    hub.feeds.join(&one, &[CHAT]);
    start(&hub, &one, &[(CHAT, Version(3))]);
    hub.publish(&event(6), Reach::AllNodes);
    let gap = Gap { chat: CHAT, after: Version(3), upto: Version(5) };
    assert_eq!(hub.feeds.gaps(Duration::ZERO), [gap]);
    assert_eq!(hub.feeds.gaps(Duration::from_secs(60)), []);
    hub.publish(&event(4), Reach::AllNodes);
    assert_eq!(hub.feeds.gaps(Duration::ZERO), [Gap { after: Version(4), ..gap }]);
    hub.feeds.skip(&gap);
    assert_eq!(received(&one), [0, 4, 6]);

    // A lost last event is found by comparing with the database.
    hub.feeds.is_in_database(CHAT, Version(7));
    assert_eq!(
        hub.feeds.gaps(Duration::ZERO),
        [Gap { chat: CHAT, after: Version(6), upto: Version(7) }]
    );
    hub.publish(&event(7), Reach::AllNodes);
    assert_eq!(hub.feeds.gaps(Duration::ZERO), []);
}

#[test]
fn a_gap_that_was_skipped_does_not_hide_the_next_one() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let one = connect(&hub, 1);
    hub.feeds.join(&one, &[CHAT]);
    start(&hub, &one, &[(CHAT, Version(3))]);
    hub.publish(&event(7), Reach::AllNodes);
    let gap = Gap { chat: CHAT, after: Version(3), upto: Version(6) };
    assert_eq!(hub.feeds.gaps(Duration::ZERO), [gap]);
    // It arrives after the gap was looked at.
    hub.publish(&event(6), Reach::AllNodes);
    hub.feeds.skip(&gap);
    assert_eq!(received(&one), [0, 7]);
    assert_eq!(hub.feeds.gaps(Duration::ZERO), []);

    hub.publish(&event(9), Reach::AllNodes);
    assert_eq!(
        hub.feeds.gaps(Duration::ZERO),
        [Gap { chat: CHAT, after: Version(7), upto: Version(8) }]
    );
}

#[test]
fn a_chat_created_between_the_reading_and_the_start_is_delivered() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let one = connect(&hub, 1);
    hub.feeds.join(&one, &[]);
    // The database was read; then the chat was created, and a message sent at once.
    hub.publish(&chat_created(&[1]), Reach::AllNodes);
    hub.publish(&event(2), Reach::AllNodes);
    assert!(start(&hub, &one, &[]).is_empty());
    hub.publish(&event(3), Reach::AllNodes);
    let frames = one.queue.take().frames;
    assert!(frames[0].text.contains("chat.created"), "{frames:?}");
    assert_eq!(frames.len(), 3);
}

#[test]
fn a_chat_created_before_the_reading_and_published_after_it_is_delivered_once() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let one = connect(&hub, 1);
    hub.feeds.join(&one, &[]);
    hub.publish(&chat_created(&[1]), Reach::AllNodes);
    hub.publish(&event(2), Reach::AllNodes);
    hub.publish(&event(3), Reach::AllNodes);
    assert_eq!(start(&hub, &one, &[(CHAT, Version(2))]), BTreeMap::from([(CHAT, Version(2))]));
    hub.publish(&chat_created(&[1]), Reach::AllNodes);
    assert_eq!(received(&one), [3]);
}

#[test]
fn a_member_who_gets_a_chat_late_is_told_to_resync_later_events() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (early, late) = (connect(&hub, 1), connect(&hub, 2));
    for connection in [&early, &late] {
        hub.feeds.join(connection, &[]);
        start(&hub, connection, &[]);
    }
    hub.publish(&chat_created(&[1]), Reach::AllNodes);
    hub.publish(&event(2), Reach::AllNodes);
    hub.publish(&chat_created(&[2]), Reach::AllNodes);
    hub.publish(&event(3), Reach::AllNodes);
    let texts = |connection: &Connection| -> Vec<String> {
        connection.queue.take().frames.iter().map(|f| f.text.as_str()[..24].to_owned()).collect()
    };
    assert_eq!(texts(&early).len(), 3);
    let late = texts(&late);
    assert!(late[0].contains("resync") && late[1].contains("chat.created"), "{late:?}");
    assert_eq!(late.len(), 3);
}

#[test]
fn a_chat_left_before_the_start_is_not_delivered() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let one = connect(&hub, 1);
    hub.feeds.join(&one, &[CHAT]);
    hub.publish(&event(4), Reach::AllNodes);
    assert!(start(&hub, &one, &[]).is_empty());
    hub.publish(&event(5), Reach::AllNodes);
    assert!(received(&one).is_empty());
    assert!(hub.feeds.positions().is_empty(), "and its feed is gone");
}

#[test]
fn a_chat_left_while_connecting_is_not_delivered() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (stays, goes) = (connect(&hub, 2), connect(&hub, 1));
    hub.feeds.join(&stays, &[CHAT]);
    start(&hub, &stays, &[(CHAT, Version(3))]);
    hub.feeds.join(&goes, &[CHAT]);
    hub.publish(&event(4), Reach::AllNodes);
    let departed = vec![Departed { user: UserId(1), version: Version(5) }];
    hub.publish(&Event::ChatDeleted { chat: CHAT, departed }, Reach::AllNodes);
    assert!(start(&hub, &goes, &[]).is_empty());
    assert!(received(&goes).is_empty(), "earlier events are dropped, too");
    assert_eq!(received(&stays), [4]);
}

/// The chat was left by this version.
fn departure(user: i64, version: i64) -> Event {
    let departed = vec![Departed { user: UserId(user), version: Version(version) }];
    Event::ChatDeleted { chat: CHAT, departed }
}

fn types(connection: &Connection) -> Vec<String> {
    let taken = connection.queue.take();
    let kind = |frame: &Frame| {
        let json: serde_json::Value = serde_json::from_str(&frame.text).expect("JSON");
        json["type"].as_str().expect("a type").to_owned()
    };
    taken.frames.iter().map(kind).collect()
}

/// What happened while the user was away is part of the history that a member may read. The simulation judges
/// events when they are queued: judged after the second departure, this looks like a leak.
#[test]
fn one_who_returns_gets_late_events_from_between_and_none_after_leaving_again() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (returns, stays) = (connect(&hub, 1), connect(&hub, 2));
    for connection in [&returns, &stays] {
        hub.feeds.join(connection, &[CHAT]);
        start(&hub, connection, &[(CHAT, Version(3))]);
    }
    // The user left by 4 and joined again by 7, and this node has received neither event.
    hub.publish(&event(5), Reach::AllNodes);
    let [gap] = hub.feeds.gaps(Duration::ZERO)[..] else { panic!("a gap") };
    // The database has no departure of a user who has returned.
    hub.feeds.skip(&gap);
    hub.publish(&event(6), Reach::AllNodes);
    hub.publish(&departure(1, 9), Reach::AllNodes);
    for version in 7..=10 {
        hub.publish(&event(version), Reach::AllNodes);
    }
    assert_eq!(types(&returns), ["resync", "message.created", "message.created", "chat.deleted"]);
    assert_eq!(received(&stays), [0, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn a_late_event_of_an_earlier_join_does_not_subscribe_a_new_connection() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let join = chat_created(&[1]);
    let memberships = Memberships { versions: &[], left: &[(CHAT, Version(2))] };
    let during = connect(&hub, 1);
    hub.feeds.join(&during, &[]);
    hub.publish(&join, Reach::AllNodes);
    assert_eq!(hub.start(&during, &memberships), BTreeMap::new());
    let after = connect(&hub, 1);
    hub.feeds.join(&after, &[]);
    assert_eq!(hub.start(&after, &memberships), BTreeMap::new());
    hub.publish(&join, Reach::AllNodes);
    hub.publish(&event(2), Reach::AllNodes);
    hub.publish(&departure(1, 2), Reach::AllNodes);
    for connection in [&during, &after] {
        assert!(types(connection).is_empty(), "the client never had the chat");
    }
    assert!(hub.feeds.positions().is_empty());
}

/// Its departure is before the feed, so no gap would reveal that it was lost.
#[test]
fn one_who_left_before_the_feed_began_is_not_started() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (goes, stays) = (connect(&hub, 1), connect(&hub, 2));
    for connection in [&goes, &stays] {
        hub.feeds.join(connection, &[CHAT]);
    }
    start(&hub, &stays, &[(CHAT, Version(4))]);
    let before = Memberships { versions: &[(CHAT, Version(3))], left: &[] };
    assert!(hub.feeds.is_outdated(&goes, &before));
    let after = Memberships { versions: &[], left: &[(CHAT, Version(4))] };
    assert_eq!(hub.start(&goes, &after), BTreeMap::new());
    hub.publish(&event(5), Reach::AllNodes);
    assert_eq!((received(&goes), received(&stays)), (vec![], vec![5]));
}

/// The departure is before the feed as well, so nothing that arrives here would reveal it.
#[test]
fn a_join_from_before_the_feed_began_waits_for_the_database() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (late, stays) = (connect(&hub, 1), connect(&hub, 2));
    start(&hub, &late, &[]);
    // Only the database knows yet that the first user has joined by 2, and perhaps left by 3.
    hub.feeds.join(&stays, &[CHAT]);
    start(&hub, &stays, &[(CHAT, Version(4))]);
    hub.publish(&samples::chat_created(CHAT, Version(2), &[UserId(1)]), Reach::AllNodes);
    hub.publish(&event(5), Reach::AllNodes);
    assert!(types(&late).is_empty());
    assert_eq!(hub.feeds.take_unconfirmed(), [(UserId(1), CHAT)]);
    assert_eq!(hub.feeds.take_unconfirmed(), []);

    // As the database has it, the user is a member at 5.
    hub.publish(&samples::chat_created(CHAT, Version(5), &[UserId(1)]), Reach::ThisNode);
    hub.publish(&event(6), Reach::AllNodes);
    assert_eq!(types(&late), ["chat.created", "message.created"]);
    assert_eq!(hub.feeds.take_unconfirmed(), []);
}

#[test]
fn a_late_departure_costs_one_who_has_returned_no_event() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (stays, returns) = (connect(&hub, 2), connect(&hub, 1));
    hub.feeds.join(&stays, &[CHAT]);
    start(&hub, &stays, &[(CHAT, Version(6))]);
    hub.feeds.join(&returns, &[CHAT]);
    hub.publish(&event(7), Reach::AllNodes);
    hub.publish(&departure(1, 4), Reach::AllNodes);
    let memberships = Memberships { versions: &[(CHAT, Version(6))], left: &[(CHAT, Version(4))] };
    assert_eq!(hub.start(&returns, &memberships), BTreeMap::from([(CHAT, Version(6))]));
    hub.publish(&departure(1, 4), Reach::AllNodes);
    hub.publish(&event(8), Reach::AllNodes);
    assert_eq!(received(&returns), [7, 8]);
}

#[test]
fn one_who_leaves_gets_chat_deleted_once_also_without_a_subscription() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (early, late) = (connect(&hub, 1), connect(&hub, 1));
    hub.feeds.join(&early, &[]);
    start(&hub, &early, &[]);
    hub.publish(&departure(1, 4), Reach::AllNodes);
    let memberships = Memberships { versions: &[], left: &[(CHAT, Version(4))] };
    assert_eq!(hub.start(&late, &memberships), BTreeMap::new());
    hub.publish(&departure(1, 4), Reach::AllNodes);
    assert_eq!(types(&early), ["chat.deleted"]);
    assert!(types(&late).is_empty(), "its `ready` has said so");
    hub.publish(&departure(1, 6), Reach::AllNodes);
    assert_eq!(
        (types(&early), types(&late)),
        (vec!["chat.deleted".into()], vec!["chat.deleted".into()])
    );
}

#[test]
fn one_who_joins_again_unnoticed_gets_the_chat_again_once_and_later_events() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let one = connect(&hub, 1);
    hub.feeds.join(&one, &[CHAT]);
    start(&hub, &one, &[(CHAT, Version(3))]);
    // The user left by 4 and joined by 6. Only the join has arrived.
    for _ in 0..2 {
        hub.publish(&samples::chat_created(CHAT, Version(6), &[UserId(1)]), Reach::AllNodes);
    }
    (4..=7).for_each(|version| hub.publish(&event(version), Reach::AllNodes));
    assert_eq!(types(&one), ["chat.created", "message.created"]);
}

#[test]
fn a_typing_indicator_reaches_the_other_members_who_are_ready() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (writes, reads, connects) = (connect(&hub, 1), connect(&hub, 2), connect(&hub, 3));
    for connection in [&writes, &reads, &connects] {
        hub.feeds.join(connection, &[CHAT]);
    }
    start(&hub, &writes, &[(CHAT, Version(3))]);
    start(&hub, &reads, &[(CHAT, Version(3))]);
    hub.typing(UserId(1), CHAT, true, Duration::ZERO);
    let received = [&writes, &reads, &connects].map(|connection| types(connection));
    assert_eq!(received, [vec![], vec!["typing".to_owned()], vec![]]);
}

#[test]
fn a_closed_connection_leaves_nothing_behind() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let one = connect(&hub, 1);
    hub.feeds.join(&one, &[CHAT]);
    start(&hub, &one, &[(CHAT, Version(3))]);
    hub.disconnect(&one, Duration::ZERO);
    assert!(hub.feeds.positions().is_empty() && !hub.people.is_connected(UserId(1)));
    let full: Vec<_> = (0..2).map(|_| hub.connect(UserId(1), SessionId(1), 2)).collect();
    assert!(full.iter().all(Result::is_ok));
    assert_eq!(hub.connect(UserId(1), SessionId(1), 2).err(), Some(TooManyConnections));
}

#[test]
fn a_change_by_which_a_user_leaves_ends_their_subscription_by_itself() {
    let hub = Hub::new(1 << 20, Arc::default(), None);
    let (out, stays) = (connect(&hub, 1), connect(&hub, 2));
    for connection in [&out, &stays] {
        hub.feeds.join(connection, &[CHAT]);
        start(&hub, connection, &[(CHAT, Version(3))]);
    }
    let change = |version, out| Envelope {
        route: Route::Change { chat: CHAT, version: Version(version), out },
        text: format!("{{\"version\":{version}}}").into(),
    };
    // Events may overtake each other.
    hub.deliver(&change(5, None));
    hub.deliver(&change(4, Some(UserId(1))));
    assert_eq!(received(&stays), [4, 5]);
    let frames = out.queue.take().frames;
    assert_eq!(frames.len(), 1);
    assert!(frames[0].text.contains("chat.deleted"), "{frames:?}");
}

proptest! {
    /// Whatever a bus loses, repeats or reorders: each event is delivered once and in order, and a `resync`
    /// precedes what follows a gap.
    #[test]
    fn faults_of_the_bus_show_as_a_resync_at_most(
        carried in prop::collection::vec((4_i64..24, any::<bool>()), 0..60),
    ) {
        let hub = Hub::new(1 << 20, Arc::default(), None);
        let one = connect(&hub, 1);
        hub.feeds.join(&one, &[CHAT]);
        start(&hub, &one, &[(CHAT, Version(3))]);
        let mut last = 3;
        let mut read = |upto: Option<i64>| {
            let versions = received(&one);
            let may_have_gap = versions.contains(&0);
            for version in versions.into_iter().filter(|version| *version != 0).chain(upto) {
                prop_assert!(version == last + 1 || may_have_gap && version > last, "{version}");
                last = version;
            }
            Ok(())
        };
        for (version, look) in carried {
            hub.publish(&event(version), Reach::AllNodes);
            if look {
                hub.feeds.gaps(Duration::ZERO).iter().for_each(|gap| hub.feeds.skip(gap));
            }
            read(None)?;
        }
        hub.feeds.is_in_database(CHAT, Version(24));
        for _ in 4..=24 {
            hub.feeds.gaps(Duration::ZERO).iter().for_each(|gap| hub.feeds.skip(gap));
        }
        read(Some(24))?;
    }
}
