//! How templates show values.

/// A time to the second, in UTC: of a [`Timestamp`], or as one is written.
///
/// [`Timestamp`]: crate::domain::time::Timestamp
#[askama::filter_fn]
pub(super) fn moment(
    value: impl std::fmt::Display,
    _: &dyn askama::Values,
) -> askama::Result<String> {
    let text = value.to_string();
    Ok(match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    })
}
