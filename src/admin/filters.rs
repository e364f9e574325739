//! How templates show values.

use crate::domain::time::Timestamp;

/// A time to the second, in UTC.
#[askama::filter_fn]
pub(super) fn moment(value: &Timestamp, _: &dyn askama::Values) -> askama::Result<String> {
    let text = value.to_string();
    Ok(format!("{} {} UTC", &text[..10], &text[11..19]))
}
