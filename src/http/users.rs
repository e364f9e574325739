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
use crate::domain::search::{Match, Query, Tier};
use crate::domain::session::{Caller, Device};
use crate::domain::text::{BLANK, REQUIRED};
use crate::domain::user::Profile;
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::users::{OwnUser, PatchUser, UpdateUser, User, UserPage};

use super::caller::Authenticated;
use super::errors::Result;
use super::forms::FormBody;
use super::ids::Id;
use super::pagination::Paging;

/// Active users
///
/// In the order of their names; or those whose names answer `search`, best first.
#[utoipa::path(
    get, path = "/api/users/", tag = "users", operation_id = "users_list",
    params(
        ("search" = Option<String>, Query, description = "As of the search."),
        ("cursor" = Option<String>, Query, description = "From `next` or `previous`."),
        ("page_size" = Option<String>, Query, description = "1 to 100, 50 by default."),
    ),
    responses(
        (status = 200, body = UserPage),
        (status = 401, body = Detail),
        (status = 404, description = "The cursor is not of this list", body = Detail),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    _: Authenticated,
    paging: Paging,
) -> Result<Response> {
    const LIST: &str = "users";
    let query = Query::parse(paging.filter("search").unwrap_or_default());
    if !query.key().is_empty() {
        return found(&app, &paging, LIST, &query).await;
    }
    let turn = paging.turn(LIST, |key| Some(key.to_owned()))?;
    let page = users::list(&app, turn, paging.size).await?;
    Ok(paging.envelope(LIST, &page, String::clone, |user| User::of(user, &app.urls)))
}

/// Searches users
///
/// Active users by username, first and last name, in any order, never by address: whole names
/// first, then beginnings of names, beginnings of words, and what has a typo.
#[utoipa::path(
    get, path = "/api/users/search/", tag = "users", operation_id = "users_search",
    params(
        ("q" = String, Query, min_length = 1, pattern = r"[^\s\x00-\x1f\x7f-\x9f]", description = "What to look for. `search` is another name for it."),
        ("cursor" = Option<String>, Query, description = "From `next` or `previous`."),
        ("page_size" = Option<String>, Query, description = "1 to 100, 50 by default."),
    ),
    responses(
        (status = 200, body = UserPage),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 404, description = "The cursor is not of this list", body = Detail),
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

/// A page of those who answer a question.
async fn found(app: &App, paging: &Paging, list: &str, query: &Query) -> Result<Response> {
    let list = format!("{list}: {}", query.key());
    let turn = paging.turn(&list, read_position)?;
    let page = searching::people(app, query, turn, paging.size).await?;
    Ok(paging.envelope(&list, &page, write_position, |user| User::of(user, &app.urls)))
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

/// One user
///
/// Oneself with what only oneself sees. An inactive one is not there but for staff.
#[utoipa::path(
    get, path = "/api/users/{id}/", tag = "users", operation_id = "users_one",
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = inline(UserOrOwn)),
        (status = 401, body = Detail),
        (status = 404, body = Detail),
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

/// Changes a user
///
/// Oneself; or anybody but a superuser, as staff, who may also say `is_active`. A superuser may do
/// it with anybody, and say `is_staff`. What staff do to others is kept in an audit table.
#[utoipa::path(
    put, path = "/api/users/{id}/", tag = "users", operation_id = "users_update",
    params(("id" = i64, Path, minimum = 1)),
    request_body(content((UpdateUser = "application/json"), (UpdateUser = "multipart/form-data"))),
    responses(
        (status = 200, body = inline(UserOrOwn)),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 403, description = "Another's", body = Detail),
        (status = 404, body = Detail),
    )
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<UserId>,
    device: Device,
    FormBody(body): FormBody,
) -> Result<Response> {
    let change = body.read(|fields| Ok(UpdateUser::parse(fields, false, &caller.user)));
    let profile = accounts::update(&app, &caller, &device, id, change).await?;
    Ok(show(&app, &profile, &caller))
}

/// Changes a user
///
/// As PUT does; what is left out stays as it is.
#[utoipa::path(
    patch, path = "/api/users/{id}/", tag = "users", operation_id = "users_patch",
    params(("id" = i64, Path, minimum = 1)),
    request_body(content((PatchUser = "application/json"), (PatchUser = "multipart/form-data"))),
    responses(
        (status = 200, body = inline(UserOrOwn)),
        (status = 400, body = FieldTexts),
        (status = 401, body = Detail),
        (status = 403, description = "Another's", body = Detail),
        (status = 404, body = Detail),
    )
)]
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(id): Id<UserId>,
    device: Device,
    FormBody(body): FormBody,
) -> Result<Response> {
    let change = body.read(|fields| Ok(UpdateUser::parse(fields, true, &caller.user)));
    let profile = accounts::update(&app, &caller, &device, id, change).await?;
    Ok(show(&app, &profile, &caller))
}

fn show(app: &App, profile: &Profile, caller: &Caller) -> Response {
    Json(match profile.user.id == caller.user.id {
        true => UserOrOwn::Own(OwnUser::of(profile, &app.urls)),
        false => UserOrOwn::Other(User::of(profile, &app.urls)),
    })
    .into_response()
}

/// A user as others see them, or oneself.
#[derive(Serialize)]
#[serde(untagged)]
enum UserOrOwn<'a> {
    Own(OwnUser<'a>),
    Other(User<'a>),
}

impl ToSchema for UserOrOwn<'_> {}

impl PartialSchema for UserOrOwn<'_> {
    /// Not one of the two, as would be derived: oneself is a user as others see them, too.
    fn schema() -> RefOr<Schema> {
        let either = ["OwnUser", "User"].map(Ref::from_schema_name);
        let either = either.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
        Schema::AnyOf(either.build()).into()
    }
}
