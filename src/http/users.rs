//! `/api/users/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actions::users;
use crate::app::App;
use crate::domain::ids::UserId;
use crate::wire::errors::Detail;
use crate::wire::objects::{OwnUser, User, UserPage};

use super::errors::Result;
use super::extract::{Authenticated, Id};
use super::pagination::Paging;

/// Active users
///
/// In the order of their names.
#[utoipa::path(
    get, path = "/api/users/", tag = "users", operation_id = "users_list",
    params(
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
    let turn = paging.turn(LIST, |key| Some(key.to_owned()))?;
    let page = users::list(&app, turn, paging.size).await?;
    Ok(paging.envelope(LIST, &page, String::clone, User::of))
}

/// One user
///
/// Oneself with what only oneself sees.
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
    let profile = users::one(&app, id).await?;
    Ok(Json(match id == caller.user.id {
        true => UserOrOwn::Own(OwnUser::of(&profile)),
        false => UserOrOwn::Other(User::of(&profile)),
    })
    .into_response())
}

/// A user as others see them, or oneself.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum UserOrOwn<'a> {
    Own(OwnUser<'a>),
    Other(User<'a>),
}
