//! `/api/users/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOfBuilder, Ref, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::actions::search::{self as searching, Position};
use crate::actions::{accounts, users};
use crate::app::App;
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::page::Page;
use crate::domain::search::{Match, Query, Tier};
use crate::domain::session::{Caller, Device};
use crate::domain::text::{BLANK, REQUIRED};
use crate::domain::user::Profile;
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::users::{OwnUserJson, UpdateUser, UserIds, UserJson, UserPage};

use super::caller::Authenticated;
use super::errors::Result;
use super::forms::FormBody;
use super::ids::Id;
use super::pagination::Paging;

/// List users
///
/// Active users, ordered by name; with `search`, those who match it, best first; with `ids`, these.
#[utoipa::path(
    get, path = "/api/users/", tag = "users", operation_id = "users_list",
    params(
        ("search" = Option<String>, Query, description = "As `q` of the search."),
        ("ids" = inline(Option<UserIds>), Query, style = Form, explode = false,
            description = "Only these users, on one page. Not together with `search`."),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of users", body = UserPage),
        (status = 400, description = "`ids` is wrong", body = FieldTexts),
        (status = 404, description = "The cursor does not belong to this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    _: Authenticated,
    paging: Paging,
) -> Result<Response> {
    const LIST: &str = "users";
    if let Some(ids) = paging.list("ids") {
        return named(&app, &paging, &ids).await;
    }
    let query = Query::parse(paging.filter("search").unwrap_or_default());
    if !query.key().is_empty() {
        return found(&app, &paging, LIST, &query).await;
    }
    let turn = paging.turn(LIST, |key| Some(key.to_owned()))?;
    let page = users::list(&app, turn, paging.size).await?;
    Ok(paging.envelope(LIST, &page, String::clone, |user| UserJson::of(user, &app.urls)))
}

/// The users with these ids, on one page: there are no more of them than a page can have.
async fn named(app: &App, paging: &Paging, ids: &str) -> Result<Response> {
    if paging.filter("search").is_some() {
        return Err(Error::field("ids", "Not together with `search`.").into());
    }
    let ids = UserIds::parse(ids)?.0;
    // Any cursor is another list's.
    paging.turn("users by id", |_| None::<()>)?;
    let rows = users::named(app, &ids).await?;
    let page: Page<_, ()> = Page { rows, previous: None, next: None };
    Ok(paging.envelope(
        "users by id",
        &page,
        |_| String::new(),
        |user| UserJson::of(user, &app.urls),
    ))
}

/// Search users
///
/// Finds active users by username, first name and last name, in any order, but never by address. Whole
/// names come first, then beginnings of names, beginnings of words, and matches with a typo.
#[utoipa::path(
    get, path = "/api/users/search/", tag = "users", operation_id = "users_search",
    params(
        ("q" = String, Query, min_length = 1, pattern = r"[^\s\x00-\x1f\x7f-\x9f]", description = "What to look for. `search` is another name for it."),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of users", body = UserPage),
        (status = 400, description = "`q` is missing or blank", body = FieldTexts),
        (status = 404, description = "The cursor does not belong to this list", body = Detail),
    )
)]
pub(super) async fn search(
    State(app): State<Arc<App>>,
    _: Authenticated,
    paging: Paging,
) -> Result<Response> {
    let text = paging.filter("q").or(paging.filter("search"));
    let text = text.ok_or_else(|| Error::field("q", REQUIRED))?;
    if text.chars().all(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::field("q", BLANK).into());
    }
    found(&app, &paging, "search", &Query::parse(text)).await
}

/// A page of the users who match a query.
async fn found(app: &App, paging: &Paging, list: &str, query: &Query) -> Result<Response> {
    let list = format!("{list}: {}", query.key());
    let turn = paging.turn(&list, read_position)?;
    let page = searching::people(app, query, turn, paging.size).await?;
    Ok(paging.envelope(&list, &page, write_position, |user| UserJson::of(user, &app.urls)))
}

fn write_position(Position { found, user }: &Position) -> String {
    let tier = match found.tier {
        Tier::Username => 'u',
        Tier::Name => 'n',
        Tier::Words => 'w',
        Tier::Typos => 't',
    };
    format!("{tier},{},{user},{}", found.typos, found.key)
}

fn read_position(text: &str) -> Option<Position> {
    let mut parts = text.splitn(4, ',');
    let tier = match parts.next()? {
        "u" => Tier::Username,
        "n" => Tier::Name,
        "w" => Tier::Words,
        "t" => Tier::Typos,
        _ => return None,
    };
    let typos = parts.next()?.parse().ok()?;
    let user = UserId(parts.next()?.parse().ok()?);
    let key = parts.next()?.to_owned();
    Some(Position { found: Match { tier, typos, key }, user })
}

/// Get a user
///
/// Your own account comes with its private fields. Only staff can see deactivated users.
#[utoipa::path(
    get, path = "/api/users/{id}/", tag = "users", operation_id = "users_one",
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, description = "The user", body = inline(UserOrOwn)),
        (status = 404, description = "No such user", body = Detail),
    )
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<UserId>,
) -> Result<Response> {
    let profile = users::one(&app, &caller, id).await?;
    Ok(show(&app, &profile, &caller))
}

/// Update a user
///
/// Your own account. Staff can also update everybody who is not a superuser, and set `is_active`;
/// superusers can update everybody, and set `is_staff`. What staff change about others is recorded in
/// an audit log.
#[utoipa::path(
    method(put, patch), path = "/api/users/{id}/", tag = "users", operation_id = "users_update",
    params(("id" = i64, Path, minimum = 1)),
    request_body(content((UpdateUser = "application/json"), (UpdateUser = "multipart/form-data"))),
    responses(
        (status = 200, description = "The user", body = inline(UserOrOwn)),
        (status = 403, description = "You may not update this user", body = Detail),
        (status = 404, description = "No such user", body = Detail),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<UserId>,
    device: Device,
    FormBody(body): FormBody,
) -> Result<Response> {
    let change = body.read(|fields| Ok(UpdateUser::parse(fields)));
    let profile = accounts::update(&app, &caller, &device, id, change).await?;
    Ok(show(&app, &profile, &caller))
}

/// A user as the caller sees them.
pub(super) fn show(app: &App, profile: &Profile, caller: &Caller) -> Response {
    Json(match profile.user.id == caller.user.id {
        true => UserOrOwn::Own(OwnUserJson::of(profile, &app.urls)),
        false => UserOrOwn::Other(UserJson::of(profile, &app.urls)),
    })
    .into_response()
}

/// A user as others see them, or the caller's own account.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum UserOrOwn<'a> {
    Own(OwnUserJson<'a>),
    Other(UserJson<'a>),
}

impl ToSchema for UserOrOwn<'_> {}

impl PartialSchema for UserOrOwn<'_> {
    /// `anyOf`, not the derived `oneOf`: an `OwnUser` is a `User` as well.
    fn schema() -> RefOr<Schema> {
        let either = ["OwnUser", "User"].map(Ref::from_schema_name);
        let either = either.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
        Schema::AnyOf(either.build()).into()
    }
}
