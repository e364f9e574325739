//! Property tests of signed strings, which cursors and the messages between nodes are: what is signed
//! is read again, and nothing else is.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::Sealer;

proptest! {
    #[test]
    fn a_signed_text_is_read_for_its_purpose_alone(text in ".{0,60}", other in ".{0,9}") {
        let sealer = Sealer::new("one key");
        let sealed = sealer.seal("chats", &text);
        prop_assert_eq!(sealer.open("chats", &sealed), Some(text));
        prop_assert!(other == "chats" || sealer.open(&other, &sealed).is_none());
    }

    #[test]
    fn a_forged_text_is_refused(text in ".{0,60}", at in any::<Index>(), with in ".{0,3}") {
        let sealer = Sealer::new("one key");
        let sealed = sealer.seal("chats", &text);
        let at = at.index(sealed.len());
        let forged = format!("{}{with}{}", &sealed[..at], &sealed[at + 1..]);
        prop_assert!(forged == sealed || sealer.open("chats", &forged).is_none());
        prop_assert!(sealer.open("chats", &with).is_none());
    }

    #[test]
    fn a_signed_message_is_verified_and_a_forged_one_is_not(
        message in vec(any::<u8>(), 0..60),
        at in any::<Index>(),
        bit in 0_u8..8,
    ) {
        let sealer = Sealer::new("one key");
        let mut signed = sealer.sign("a subject", &message);
        prop_assert_eq!(sealer.verified("a subject", &signed), Some(&message[..]));
        let at = at.index(signed.len());
        signed[at] ^= 1 << bit;
        prop_assert_eq!(sealer.verified("a subject", &signed), None);
    }
}
