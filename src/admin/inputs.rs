//! What the filters and forms of several pages read.

use std::time::Duration;

use axum::response::Response;

use crate::actions::staff::NotBeneath;
use crate::actions::staff_users::Acted;
use crate::domain::error::Error;
use crate::domain::time::Timestamp;
use crate::domain::user::User;

use super::errors::Result;
use super::forms::FieldView;
use super::lists::ListQuery;
use super::refusal;
use super::visit::Visit;

const DAY: Duration = Duration::from_secs(86_400);

/// Yes, no, or both, for a filter.
pub(super) const YES_NO: &[(&str, &str)] = &[("", "Any"), ("yes", "Yes"), ("no", "No")];

/// A filter of [`YES_NO`].
pub(super) fn flag(query: &ListQuery, name: &str) -> Result<Option<bool>> {
    match query.filter(name) {
        "" => Ok(None),
        "yes" => Ok(Some(true)),
        "no" => Ok(Some(false)),
        other => Err(no_choice(name, other).into()),
    }
}

/// The error for a value that is none of the choices.
pub(super) fn no_choice(name: &str, value: &str) -> Error {
    let text = format!("Select a valid choice. {value} is not one of the available choices.");
    Error::field(name, text)
}

/// One of some choices, by its name; none if the filter is not set.
pub(super) fn choice<T: Copy>(
    query: &ListQuery,
    name: &str,
    all: &[T],
    of: impl Fn(T) -> &'static str,
) -> Result<Option<T>> {
    let value = query.filter(name);
    if value.is_empty() {
        return Ok(None);
    }
    let found = all.iter().copied().find(|one| of(*one) == value);
    found.map(Some).ok_or_else(|| no_choice(name, value).into())
}

/// The beginning of a day, in UTC.
pub(super) fn day(query: &ListQuery, name: &str) -> Result<Option<Timestamp>> {
    let value = query.filter(name);
    if value.is_empty() {
        return Ok(None);
    }
    let parsed = Timestamp::parse(&format!("{value}T00:00:00Z"));
    let wrong = || Error::field(name, "Enter a valid date: YYYY-MM-DD.");
    parsed.filter(|_| value.len() == 10).map(Some).ok_or_else(|| wrong().into())
}

/// The end of a day, in UTC.
pub(super) fn end_of_day(query: &ListQuery, name: &str) -> Result<Option<Timestamp>> {
    Ok(day(query, name)?.map(|day| day.plus(DAY)))
}

/// A text field of the filters, with what was asked for.
pub(super) fn text_field(query: &ListQuery, name: &'static str, label: &'static str) -> FieldView {
    FieldView::new(name, label, query.filter(name), None)
}

/// The filters of a list, for the record of an export.
pub(super) fn filters(query: &ListQuery, names: &[&str]) -> Vec<(String, String)> {
    let set = names.iter().map(|name| ((*name).to_owned(), query.filter(name).to_owned()));
    set.filter(|(_, value)| !value.is_empty()).collect()
}

/// The answer to an act on users: back to a page with a message, or the reasons why nothing was done.
pub(super) fn acted(visit: &Visit, acted: Acted, to: &str, message: &str) -> Result<Response> {
    match acted {
        Acted::Done(_) => Ok(visit.done(to, message)?),
        Acted::Refused(refused) => refusal::show(visit, &refused, to),
    }
}

/// The reasons why the caller may not act on a user, for a page that leaves out the buttons.
pub(super) fn reason(visit: &Visit, user: &User) -> Option<NotBeneath> {
    crate::actions::staff::may_act_on(&visit.caller.user, user).err()
}
