//! Texts that are read alike in several bodies.

use crate::domain::password;
use crate::domain::text;

/// A password as it came: spaces are part of it.
pub(super) fn secret(value: String) -> Result<String, String> {
    if value.is_empty() {
        return Err(text::BLANK.to_owned());
    }
    text::check(&value, password::MAX_CHARS).map(|()| value)
}

/// A text that is not blank.
pub(super) fn present(value: String) -> Result<String, String> {
    if text::is_blank(&value) { Err(text::BLANK.to_owned()) } else { Ok(value) }
}
