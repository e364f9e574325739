//! `/api/users/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

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
use crate::wire::users::{UpdateUser, UpdateUserForm, UserIds, UserJson, UserPage};

use super::caller::Authenticated;
use super::errors::Result;
use super::forms::FormBody;
use super::ids::Id;
use super::pagination::Paging;

/// List users
///
/// Active users, ordered by name; with `search`, those who match it, best first; with `ids`, these.
#[utoipa::path(
    get, path = "/api/users/", tag = "users", operation_id = "list_users",
    params(
        ("search" = Option<String>, Query, example = "kit", description = "As `q` of the search."),
        ("ids" = inline(Option<UserIds>), Query, style = Form, explode = false,
            description = "Only these users, on one page. Not together with `search`."),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of users", body = UserPage),
        (status = 400, description = "`ids` is wrong", body = FieldTexts,
            example = json!({"ids": ["A valid integer is required."]})),
        (status = 404, description = "The cursor does not belong to this list", body = Detail,
            example = json!({"detail": "Invalid cursor"})),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    const LIST: &str = "users";
    if let Some(ids) = paging.list("ids") {
        return named(&app, &caller, &paging, &ids).await;
    }
    let query = Query::parse(paging.filter("search").unwrap_or_default());
    if !query.key().is_empty() {
        return found(&app, &caller, &paging, LIST, &query).await;
    }
    let request = paging.request(LIST, |key| Some(key.to_owned()))?;
    let page = users::list(&app, &caller, request, paging.size).await?;
    Ok(paging.envelope(LIST, &page, String::clone, |user| UserJson::of(user, &app.urls)))
}

/// The users with these ids, on one page: there are no more of them than a page can have.
async fn named(app: &App, caller: &Caller, paging: &Paging, ids: &str) -> Result<Response> {
    if paging.filter("search").is_some() {
        return Err(Error::field("ids", "Not together with `search`.").into());
    }
    let ids = UserIds::parse(ids)?.0;
    // Any cursor is another list's.
    paging.request("users by id", |_| None::<()>)?;
    let rows = users::named(app, caller, &ids).await?;
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
    get, path = "/api/users/search/", tag = "users", operation_id = "search_users",
    params(
        ("q" = String, Query, min_length = 1, example = "kit",
            pattern = r"^[\s\S]*[^\s\u0000-\u001F\u007F-\u009F][\s\S]*$", description = "What to look for. `search` is another name for it."),
        Paging,
    ),
    responses(
        (status = 200, description = "A page of users", body = UserPage),
        (status = 400, description = "`q` is missing or blank", body = FieldTexts,
            example = json!({"q": ["This field may not be blank."]})),
        (status = 404, description = "The cursor does not belong to this list", body = Detail,
            example = json!({"detail": "Invalid cursor"})),
    )
)]
pub(super) async fn search(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    let text = paging.filter("q").or(paging.filter("search"));
    let text = text.ok_or_else(|| Error::field("q", REQUIRED))?;
    if text.chars().all(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::field("q", BLANK).into());
    }
    found(&app, &caller, &paging, "search", &Query::parse(text)).await
}

/// A page of the users who match a query.
async fn found(
    app: &App,
    caller: &Caller,
    paging: &Paging,
    list: &str,
    query: &Query,
) -> Result<Response> {
    let list = format!("{list}: {}", query.key());
    let request = paging.request(&list, read_position)?;
    let page = searching::people(app, caller, query, request, paging.size).await?;
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
    get, path = "/api/users/{id}/", tag = "users", operation_id = "get_user",
    params(("id" = i64, Path, minimum = 1, description = "The user's id.")),
    responses(
        (status = 200, description = "The user", body = UserJson),
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
    method(put, patch), path = "/api/users/{id}/", tag = "users", operation_id = "update_user",
    params(("id" = i64, Path, minimum = 1, description = "The user's id.")),
    request_body(content((UpdateUser = "application/json"), (UpdateUserForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "The user", body = UserJson),
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
    let view = if profile.user.id == caller.user.id { UserJson::own } else { UserJson::of };
    Json(view(profile, &app.urls)).into_response()
}
