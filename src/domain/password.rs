//! Validation of passwords: Django's four default validators, in its order and words.
//!
//! Pure rules. Nothing here hashes a password for storage, does I/O, logs, or keeps its input.

use std::collections::HashMap;

use aws_lc_rs::digest;

use super::text::is_word;
use super::user::User;

/// The longest password, in characters: our own limit, so that no request causes unbounded work.
pub const MAX_CHARS: usize = 1024;

/// The shortest password, in characters (`MinimumLengthValidator`, `min_length=8`).
pub const MIN_CHARS: usize = 8;

/// Attributes of the account, which its password must not resemble. Empty if unknown.
///
/// Django's `UserAttributeSimilarityValidator.DEFAULT_USER_ATTRIBUTES`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// The login name: the first thing that an attacker knows.
    pub username: &'a str,
    /// The whole address; each side of the `@` is compared as well.
    pub email: &'a str,
    /// As the user wrote it; often public.
    pub first_name: &'a str,
    /// As the user wrote it; often public.
    pub last_name: &'a str,
}

impl<'a> From<&'a User> for Attributes<'a> {
    fn from(user: &'a User) -> Self {
        let User { username, email, first_name, last_name, .. } = user;
        Self { username, email, first_name, last_name }
    }
}

/// The validation errors of a password, as clients see them; empty if it is valid.
///
/// Django's `validate_password`: all errors, in the order of `AUTH_PASSWORD_VALIDATORS` in a new project.
/// A password above [`MAX_CHARS`] gets only that error, and nothing else is checked.
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
            // Two empty texts are equal; only a separator at an end leaves an empty part.
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
    // The shorter text limits what can be shared. This skips what Django skips by its length
    // (`exceeds_maximum_length_ratio`), and avoids a pass for each of many short parts.
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

/// Whether the lower-cased, trimmed password is in Django's list (`CommonPasswordValidator`). One in 56
/// million others shares a prefix with a word of the list, and is refused by mistake.
fn is_common(lower: &str) -> bool {
    // Python's `str.strip` also considers these four separators white space.
    let word = lower.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c));
    let digest = digest::digest(&digest::SHA256, word.as_bytes());
    digest.as_ref().first_chunk().is_some_and(|prefix| COMMON.binary_search(prefix).is_ok())
}

/// Whether all characters are numerals, in any script (`NumericPasswordValidator`).
///
/// Slightly stricter than Python's `str.isdigit`: fractions and Roman numerals count as well. So
/// everything that Django refuses is refused, without a table of digits.
fn is_numeric(password: &str) -> bool {
    !password.is_empty() && password.chars().all(char::is_numeric)
}

/// SHA-256 prefixes of Django's 19,640 common passwords, sorted.
///
/// Made by `scripts/common_passwords.py`, which names the source of the words.
static COMMON: &[[u8; 5]] = include_bytes!("common_passwords.bin").as_chunks().0;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Made by Django; see `password_validators.py` in the same folder.
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
    }
}
