//! Property tests of envelopes: what a node sends is what another reads, and damaged bytes are read as
//! nothing or as an envelope that can be sent on.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::domain::presence::Status;

fn any_route() -> impl Strategy<Value = Route> {
    let (user, chat) = (any::<i64>().prop_map(UserId), any::<i64>().prop_map(ChatId));
    let version = any::<i64>().prop_map(Version);
    let account = any::<i64>().prop_map(AccountVersion);
    let seen = ".{0,9}".prop_map(|text| ShownStatus { status: Status::Busy, text });
    let departed = vec((user.clone(), version.clone()), 0..3)
        .prop_map(|list| list.into_iter().map(|(user, version)| Departed { user, version }));
    prop_oneof![
        (chat.clone(), version.clone(), option::of(user.clone()))
            .prop_map(|(chat, version, out)| Route::Change { chat, version, out }),
        (chat.clone(), departed)
            .prop_map(|(chat, departed)| Route::Departed { chat, departed: departed.collect() }),
        (
            user.clone(),
            chat.clone(),
            version,
            option::of((user.clone(), seen.clone())),
            any::<bool>()
        )
            .prop_map(|(user, chat, version, peer, joined)| {
                Route::Entered(Entered { user, chat, version, peer, joined })
            }),
        (user.clone(), chat, any::<bool>()).prop_map(|(user, chat, active)| Route::Typing {
            user,
            chat,
            active
        }),
        (user.clone(), seen, account.clone()).prop_map(|(user, seen, profile)| Route::Status {
            user,
            seen,
            except: None,
            profile
        }),
        (user.clone(), account.clone(), account).prop_map(|(user, after, upto)| Route::Account {
            user,
            after,
            upto,
            except: None
        }),
        (user, vec(any::<i64>().prop_map(SessionId), 0..3))
            .prop_map(|(user, sessions)| Route::SessionsEnded { user, sessions }),
    ]
}

proptest! {
    #[test]
    fn an_envelope_survives_the_bus(route in any_route(), text in "(?s).{0,60}") {
        let envelope = Envelope { route, text: text.into() };
        let sent = envelope.encode().expect("bytes");
        prop_assert_eq!(Envelope::decode(&sent), Some(envelope));
    }

    #[test]
    fn a_damaged_envelope_is_none_or_whole(
        route in any_route(),
        damages in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut sent = Envelope { route, text: "{}".into() }.encode().expect("bytes");
        for (at, byte) in damages {
            let at = at.index(sent.len());
            sent[at] = byte;
        }
        if let Some(read) = Envelope::decode(&sent) {
            prop_assert_eq!(Envelope::decode(&read.encode().expect("bytes")), Some(read));
        }
    }
}
