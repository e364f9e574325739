//! Property tests of stored password hashes: whatever a database holds, verifying it neither panics nor
//! takes long, and a hash made here verifies only its own password.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{HashCost, hash, verify};

/// Cheap hashes of every algorithm, of the password "meow".
const CHEAP: [&str; 3] = [
    "argon2$argon2id$v=19$m=64,t=1,p=1$bUVvd1NhbHQ$YyiTe5ELc033+HbCOvQdyA",
    "pbkdf2_sha256$1000$salt$aZ/cQ2uAjha2o9GzYyEVI92hkdnmk5Lcujh95lVapsM=",
    "bcrypt_sha256$$2b$04$mEowSaltMeowSaltMeow2uMdFSFWhTEEkeH6Q.8msyUzHggaz1SPy",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_verified(encoded in ".{0,80}", password in ".{0,20}") {
        prop_assert_ne!(verify(&password, &encoded), Some(true));
    }

    #[test]
    fn damaged_hashes_are_verified(
        encoded in select(&CHEAP[..]),
        // Characters are replaced, not inserted, so that no number grows into an expensive one.
        damages in vec((any::<Index>(), "[ -~é$]"), 0..4),
        password in ".{0,20}",
    ) {
        let mut characters: Vec<char> = encoded.chars().collect();
        for (at, with) in damages {
            let at = at.index(characters.len());
            characters[at] = with.chars().next().unwrap_or('x');
        }
        let encoded: String = characters.into_iter().collect();
        prop_assert_ne!(verify(&password, &encoded), Some(true));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn a_hash_verifies_its_own_password_alone(password in ".{0,200}", other in ".{0,200}") {
        let cheap = HashCost { memory_kib: 64, passes: 1 };
        let encoded = hash(&password, cheap).expect("hashed");
        prop_assert_eq!(verify(&password, &encoded), Some(true));
        prop_assert_eq!(verify(&other, &encoded), Some(password == other));
    }
}
