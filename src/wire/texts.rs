//! Texts that several bodies have.

use crate::domain::login_names::{EMAIL_MAX, Email, NAME_MAX, Username};
use crate::domain::password;
use crate::domain::text as rules;
use crate::domain::text::BLANK;

use super::kinds::{Text, text};

/// What is said about usernames.
pub(super) const USERNAME: &str = "Letters, digits and `@.+-_`. Unique, ignoring case.";

/// Letters, numbers, the signs of Django's rule, and the marks that NFKC composes with a letter. ASCII is
/// spelled out for tools that compile patterns without the flag `u`, in which `\p{L}` is three characters.
const USERNAME_PATTERN: &str = r"^[A-Za-z0-9\p{L}\p{N}\u0300-\u036F\u3099\u309A_.@+\-]+$";

/// A username.
pub(super) fn username() -> Text<impl FnOnce(String) -> Result<Username, String>> {
    text(|name| Username::parse(name.trim())).min(1).max(NAME_MAX).pattern(USERNAME_PATTERN)
}

/// An e-mail address, or none if it is empty.
pub(super) fn email() -> Text<impl FnOnce(String) -> Result<Option<Email>, String>> {
    text(|address| match address.trim() {
        "" => Ok(None),
        address => Email::parse(address).map(Some),
    })
    .max(EMAIL_MAX)
}

/// A first or last name: trimmed, may be empty.
pub(super) fn name() -> Text<impl FnOnce(String) -> Result<String, String>> {
    trimmed(NAME_MAX)
}

/// A text of at most `max` characters: trimmed, may be empty.
pub(super) fn trimmed(max: usize) -> Text<impl FnOnce(String) -> Result<String, String>> {
    text(move |value| {
        let value = value.trim();
        rules::check(value, max).map(|()| value.to_owned())
    })
    .max(max)
}

/// A password. Spaces are part of it.
pub(super) fn password() -> Text<impl FnOnce(String) -> Result<String, String>> {
    text(|password| {
        if password.is_empty() {
            return Err(BLANK.to_owned());
        }
        rules::check(&password, password::MAX_CHARS).map(|()| password)
    })
    .min(1)
    .max(password::MAX_CHARS)
    .secret()
}

/// A new password, which the validators have to accept as well.
pub(super) fn new_password() -> Text<impl FnOnce(String) -> Result<String, String>> {
    password().min(password::MIN_CHARS)
}

/// A text that is not blank.
pub(super) fn present() -> Text<impl FnOnce(String) -> Result<String, String>> {
    text(not_blank).min(1)
}

/// The text, if it is not blank.
pub(super) fn not_blank(value: String) -> Result<String, String> {
    if rules::is_blank(&value) { Err(BLANK.to_owned()) } else { Ok(value) }
}
