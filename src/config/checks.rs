//! What `check` leaves out.

use crate::domain::text::quoted;

use super::reader::{Reader, list};

/// The ids of `SILENCED_SYSTEM_CHECKS`.
pub(super) fn silenced(from: &mut Reader<'_>) -> Vec<String> {
    from.get(
        "SILENCED_SYSTEM_CHECKS",
        "",
        "Findings that `check` does not report, comma-separated, such as security.W004.\n\
         docs/checks.md lists them.",
        |value| list(value, id),
    )
}

fn id(value: &str) -> Result<String, String> {
    let number = value.split_once('.').and_then(|(_, rest)| rest.strip_prefix(['E', 'W']));
    match number.is_some_and(|number| number.parse::<u16>().is_ok()) {
        true => Ok(value.to_owned()),
        false => Err(format!("must be ids such as security.W004, not {}", quoted(value))),
    }
}
