//! Which passwords an account may have: Django's four default validators, in its order and words.
//!
//! Pure rules over text that the caller holds. Nothing here hashes a password for storage, reads or
//! writes anything, logs, or keeps what it was given.

use std::collections::HashMap;

use aws_lc_rs::digest;

/// The longest password, in characters: our own limit, so that no request buys unbounded work.
pub const MAX_CHARS: usize = 1024;

/// The shortest password, in characters (`MinimumLengthValidator`, `min_length=8`).
pub const MIN_CHARS: usize = 8;

/// What is known of the account, which its password must not resemble. Empty when not known.
///
/// Django's `UserAttributeSimilarityValidator.DEFAULT_USER_ATTRIBUTES`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// The name that logs in: the first thing that an attacker knows.
    pub username: &'a str,
    /// The whole address; each side of the `@` is compared too.
    pub email: &'a str,
    /// As the person wrote it, and often public.
    pub first_name: &'a str,
    /// As the person wrote it, and often public.
    pub last_name: &'a str,
}

/// Everything that is wrong with a password, as the messages that clients see; empty if it is good.
///
/// Django's `validate_password`: all faults together, ordered as `AUTH_PASSWORD_VALIDATORS` is in a
/// new project. A password above [`MAX_CHARS`] gets that one message and nothing else is checked.
/// Linear in the lengths of the password and the attributes.
pub fn faults(password: &str, of: &Attributes<'_>) -> Vec<String> {
    let length = password.chars().count();
    if length > MAX_CHARS {
        return vec![format!("Ensure this field has no more than {MAX_CHARS} characters.")];
    }
    let lower = password.to_lowercase();
    let similar =
        similar_to(&lower, of).map(|name| format!("The password is too similar to the {name}."));
    let short = (length < MIN_CHARS).then(|| {
        format!("This password is too short. It must contain at least {MIN_CHARS} characters.")
    });
    let common = is_common(&lower).then(|| "This password is too common.".to_owned());
    let numeric = is_numeric(password).then(|| "This password is entirely numeric.".to_owned());
    [similar, short, common, numeric].into_iter().flatten().collect()
}

/// The name of the first attribute that the lower-cased password resembles, whole or in a part.
fn similar_to(lower: &str, of: &Attributes<'_>) -> Option<&'static str> {
    let password: Vec<char> = lower.chars().collect();
    let named = [
        ("username", of.username),
        ("first name", of.first_name),
        ("last name", of.last_name),
        ("email address", of.email),
    ];
    let resembles = |value: &str| {
        let value = value.to_lowercase();
        let separator = |c| !is_word(c);
        if password.is_empty() {
            // Two empty texts are alike, and only a separator at an end leaves an empty part.
            return value.starts_with(separator) || value.ends_with(separator);
        }
        value.split(separator).any(|part| alike(&password, part)) || alike(&password, &value)
    };
    named.into_iter().find(|(_, value)| resembles(value)).map(|(name, _)| name)
}

/// Whether Python's `SequenceMatcher(a, b).quick_ratio()` is at least 0.7: twice the number of
/// characters that both have, in any order, over the sum of the lengths.
fn alike(a: &[char], b: &str) -> bool {
    let b_length = b.chars().count();
    let enough = |shared: usize| 20 * shared >= 7 * (a.len() + b_length);
    // No more can be shared than the shorter has. This skips all that Django skips for its length
    // (`exceeds_maximum_length_ratio`), and keeps many short parts from costing a pass each.
    if !enough(a.len().min(b_length)) {
        return false;
    }
    let mut unmatched: HashMap<char, usize> = HashMap::with_capacity(b_length);
    for c in b.chars() {
        *unmatched.entry(c).or_default() += 1;
    }
    let mut shared = 0;
    for c in a {
        if let Some(left) = unmatched.get_mut(c).filter(|left| **left > 0) {
            *left -= 1;
            shared += 1;
        }
    }
    enough(shared)
}

/// Whether the lower-cased password, without the space around it, is in Django's list
/// (`CommonPasswordValidator`). One in 56 million others shares a prefix with a word of it, and is
/// refused.
fn is_common(lower: &str) -> bool {
    // Python's `str.strip` also takes these four separators for space.
    let word = lower.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c));
    let digest = digest::digest(&digest::SHA256, word.as_bytes());
    digest.as_ref().first_chunk().is_some_and(|prefix| COMMON.binary_search(prefix).is_ok())
}

/// Whether all is numerals, in any script (`NumericPasswordValidator`).
///
/// A little stricter than Python's `str.isdigit`: fractions and Roman numerals count as well. What
/// Django refuses is always refused, without a table of digits.
fn is_numeric(password: &str) -> bool {
    !password.is_empty() && password.chars().all(char::is_numeric)
}

/// Whether Python's regular expressions take the character for one of a word (`\w`).
fn is_word(c: char) -> bool {
    let mark = || MARKS.partition_point(|&edge| edge <= u32::from(c)) % 2 == 1;
    c == '_' || c.is_ascii_alphanumeric() || (c.is_alphanumeric() && !mark())
}

/// SHA-256 prefixes of Django's 19,640 common passwords, sorted.
///
/// Made by `scripts/common_passwords.py`, which says where the words are from.
static COMMON: &[[u8; 5]] = include_bytes!("common_passwords.bin").as_chunks().0;

/// Where runs of vowel signs and circled letters begin and end, in turn.
///
/// They are alphabetic to Unicode and Rust but no letters (categories Mn, Mc, So of Unicode 18), so
/// Python's `\w` leaves them out. Without this, we would split Hindi and Thai names elsewhere.
static MARKS: [u32; 350] = [
    0x345, 0x370, 0x5b0, 0x5c8, 0x610, 0x61b, 0x64b, 0x660, 0x670, 0x671, 0x6d6, 0x6e5, 0x6e7,
    0x6ee, 0x711, 0x712, 0x730, 0x740, 0x7a6, 0x7b1, 0x816, 0x818, 0x81b, 0x824, 0x825, 0x828,
    0x829, 0x82d, 0x897, 0x898, 0x8d4, 0x904, 0x93a, 0x93c, 0x93e, 0x950, 0x955, 0x958, 0x962,
    0x964, 0x981, 0x984, 0x9be, 0x9cd, 0x9d7, 0x9d8, 0x9e2, 0x9e4, 0xa01, 0xa04, 0xa3e, 0xa52,
    0xa70, 0xa72, 0xa75, 0xa84, 0xabe, 0xacd, 0xae2, 0xae4, 0xafa, 0xb04, 0xb3e, 0xb58, 0xb62,
    0xb64, 0xb82, 0xb83, 0xbbe, 0xbcd, 0xbd7, 0xbd8, 0xc00, 0xc05, 0xc3e, 0xc57, 0xc62, 0xc64,
    0xc81, 0xc84, 0xcbe, 0xcd7, 0xce2, 0xce4, 0xcf3, 0xd04, 0xd3e, 0xd4d, 0xd57, 0xd58, 0xd62,
    0xd64, 0xd81, 0xd84, 0xdcf, 0xde0, 0xdf2, 0xdf4, 0xe31, 0xe32, 0xe34, 0xe3b, 0xe4d, 0xe4e,
    0xeb1, 0xeb2, 0xeb4, 0xebd, 0xecd, 0xece, 0xf71, 0xf84, 0xf8d, 0xfbd, 0x102b, 0x103f, 0x1056,
    0x105a, 0x105e, 0x1061, 0x1062, 0x1065, 0x1067, 0x106e, 0x1071, 0x1075, 0x1082, 0x108e, 0x108f,
    0x1090, 0x109a, 0x109e, 0x1712, 0x1714, 0x1732, 0x1734, 0x1752, 0x1754, 0x1772, 0x1774, 0x17b6,
    0x17c9, 0x1885, 0x1887, 0x18a9, 0x18aa, 0x1920, 0x1939, 0x1a17, 0x1a1c, 0x1a55, 0x1a75, 0x1abf,
    0x1b05, 0x1b35, 0x1b44, 0x1b80, 0x1b83, 0x1ba1, 0x1bae, 0x1be7, 0x1bf2, 0x1c24, 0x1c37, 0x1dd3,
    0x1df5, 0x24b6, 0x24ea, 0x2de0, 0x2e00, 0xa674, 0xa67c, 0xa69e, 0xa6a0, 0xa802, 0xa803, 0xa80b,
    0xa80c, 0xa823, 0xa828, 0xa880, 0xa882, 0xa8b4, 0xa8c6, 0xa8ff, 0xa900, 0xa926, 0xa92b, 0xa947,
    0xa953, 0xa980, 0xa984, 0xa9b4, 0xa9c0, 0xa9e5, 0xa9e6, 0xaa29, 0xaa37, 0xaa43, 0xaa44, 0xaa4c,
    0xaa4e, 0xaa7b, 0xaa7e, 0xaab0, 0xaab1, 0xaab2, 0xaab5, 0xaab7, 0xaab9, 0xaabe, 0xaabf, 0xaaeb,
    0xaaf0, 0xaaf5, 0xaaf6, 0xabe3, 0xabeb, 0xfb1e, 0xfb1f, 0x10376, 0x1037b, 0x10a01, 0x10a10,
    0x10d24, 0x10d28, 0x10d69, 0x10d6a, 0x10eab, 0x10ead, 0x10efa, 0x10efd, 0x11000, 0x11003,
    0x11038, 0x11046, 0x11073, 0x11075, 0x11080, 0x11083, 0x110b0, 0x110c3, 0x11100, 0x11103,
    0x11127, 0x11133, 0x11145, 0x11147, 0x11180, 0x11183, 0x111b3, 0x111c0, 0x111ce, 0x111d0,
    0x1122c, 0x1123f, 0x11241, 0x11242, 0x112df, 0x112e9, 0x11300, 0x11304, 0x1133e, 0x1134d,
    0x11357, 0x11358, 0x11362, 0x11364, 0x113b8, 0x113ce, 0x11435, 0x11446, 0x114b0, 0x114c2,
    0x115af, 0x115bf, 0x115dc, 0x115de, 0x11630, 0x11641, 0x116ab, 0x116b6, 0x1171d, 0x1172b,
    0x1182c, 0x11839, 0x11930, 0x1193d, 0x11940, 0x11941, 0x11942, 0x11943, 0x119d1, 0x119e0,
    0x119e4, 0x119e5, 0x11a01, 0x11a0b, 0x11a35, 0x11a3a, 0x11a3b, 0x11a3f, 0x11a51, 0x11a5c,
    0x11a8a, 0x11a98, 0x11b60, 0x11b68, 0x11c2f, 0x11c3f, 0x11c92, 0x11cb7, 0x11d31, 0x11d44,
    0x11d47, 0x11d48, 0x11d8a, 0x11d97, 0x11ef3, 0x11f02, 0x11f03, 0x11f04, 0x11f34, 0x11f41,
    0x1611e, 0x1612f, 0x16f4f, 0x16f50, 0x16f51, 0x16f93, 0x16ff0, 0x16ff2, 0x1bc9e, 0x1bc9f,
    0x1e000, 0x1e02b, 0x1e08f, 0x1e090, 0x1e6e3, 0x1e6e4, 0x1e6e6, 0x1e6e7, 0x1e6ee, 0x1e6f0,
    0x1e6f5, 0x1e6f6, 0x1e947, 0x1e948, 0x1f130, 0x1f18a,
];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Made by the real Django; see `password_validators.py` beside it.
    const VECTORS: &str = include_str!("../../tests/data/password_validators.json");

    #[test]
    fn finds_the_faults_that_django_finds() {
        let cases: Vec<Value> = serde_json::from_str(VECTORS).expect("vectors are JSON");
        assert!(cases.len() >= 60, "only {} cases", cases.len());
        for case in &cases {
            let text = |key: &str| case[key].as_str().expect("a text");
            let of = Attributes {
                username: text("username"),
                email: text("email"),
                first_name: text("first_name"),
                last_name: text("last_name"),
            };
            assert_eq!(Value::from(faults(text("password"), &of)), case["faults"], "{case}");
        }
    }

    #[test]
    fn above_the_limit_only_the_limit_is_said() {
        let nobody = Attributes::default();
        let all_numeric = ["This password is entirely numeric."];
        assert_eq!(faults(&"٣".repeat(MAX_CHARS), &nobody), all_numeric);
        let too_long = ["Ensure this field has no more than 1024 characters."];
        assert_eq!(faults(&"٣".repeat(MAX_CHARS + 1), &nobody), too_long);
    }

    #[test]
    fn numerals_that_are_no_digits_are_numeric_too() {
        for password in ["½½½½½½½½", "ⅧⅧⅧⅧⅧⅧⅧⅧ"] {
            let found = faults(password, &Attributes::default());
            assert_eq!(found, ["This password is entirely numeric."], "{password}");
        }
    }

    #[test]
    fn tables_are_whole_and_sorted() {
        assert_eq!(COMMON.len(), 19_640);
        assert_eq!(size_of_val(COMMON), include_bytes!("common_passwords.bin").len());
        assert!(COMMON.is_sorted_by(|a, b| a < b));
        assert!(MARKS.is_sorted_by(|a, b| a < b));
    }
}
