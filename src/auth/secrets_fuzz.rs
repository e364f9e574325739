//! Property tests of signed strings (cursors, and messages between nodes): verifying returns what was
//! signed, and accepts nothing else.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::SigningKey;

proptest! {
    #[test]
    fn a_signed_text_is_read_for_its_purpose_alone(text in ".{0,60}", other in ".{0,9}") {
        let key = SigningKey::new("one key");
        let signed = key.sign_text("chats", &text);
        prop_assert_eq!(key.verify_text("chats", &signed), Some(text));
        prop_assert!(other == "chats" || key.verify_text(&other, &signed).is_none());
    }

    #[test]
    fn a_forged_text_is_refused(text in ".{0,60}", at in any::<Index>(), with in ".{0,3}") {
        let key = SigningKey::new("one key");
        let signed = key.sign_text("chats", &text);
        let at = at.index(signed.len());
        let forged = format!("{}{with}{}", &signed[..at], &signed[at + 1..]);
        prop_assert!(forged == signed || key.verify_text("chats", &forged).is_none());
        prop_assert!(key.verify_text("chats", &with).is_none());
    }

    #[test]
    fn a_signed_message_is_verified_and_a_forged_one_is_not(
        message in vec(any::<u8>(), 0..60),
        at in any::<Index>(),
        bit in 0_u8..8,
    ) {
        let key = SigningKey::new("one key");
        let mut signed = key.sign("a subject", &message);
        prop_assert_eq!(key.verified("a subject", &signed), Some(&message[..]));
        let at = at.index(signed.len());
        signed[at] ^= 1 << bit;
        prop_assert_eq!(key.verified("a subject", &signed), None);
    }
}
