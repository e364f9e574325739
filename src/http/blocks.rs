//! `/api/blocks/`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::actions::blocks;
use crate::app::App;
use crate::domain::ids::UserId;
use crate::domain::numbering::AccountVersion;
use crate::wire::errors::{Detail, FieldTexts};
use crate::wire::users::{UserRefJson, UserRefPage};

use super::caller::Authenticated;
use super::errors::Result;
use super::ids::Id;
use super::pagination::Paging;

/// List blocked users
///
/// Those that you block, the latest block first.
#[utoipa::path(
    get, path = "/api/blocks/", tag = "blocks", operation_id = "list_blocks", params(Paging),
    responses(
        (status = 200, description = "A page of users", body = UserRefPage),
        (status = 404, description = "The cursor does not belong to this list", body = Detail,
            example = json!({"detail": "Invalid cursor"})),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    paging: Paging,
) -> Result<Response> {
    let list = format!("blocks of {}", caller.user.id);
    let request = paging.request(&list, |text| text.parse().ok().map(AccountVersion))?;
    let page = blocks::list(&app, &caller, request, paging.size).await?;
    let write = |place: &AccountVersion| place.0.to_string();
    Ok(paging.envelope(&list, &page, write, |blocked| UserRefJson::of(&blocked.user, &app.urls)))
}

/// Block a user
///
/// Between the two of you, in either direction, there is no new private chat, and no message, edit, reaction or typing
/// indicator in the one that you have; neither can add the other to a group. The other one sees you as offline, and does not
/// learn why. To block a user again changes nothing.
#[utoipa::path(
    put, path = "/api/blocks/{user_id}/", tag = "blocks", operation_id = "block_user",
    params(("user_id" = i64, Path, minimum = 1, description = "The user's id.")),
    responses(
        (status = 204, description = "The user is blocked"),
        (status = 400, description = "It is you", body = FieldTexts,
            example = json!({"user_id": ["You cannot block yourself."]})),
        (status = 404, description = "No such user", body = Detail),
        (status = 409, description = "You have blocked too many users", body = Detail,
            example = json!({"detail": "You have blocked too many users."})),
    )
)]
pub(super) async fn block(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(user): Id<UserId>,
) -> Result<StatusCode> {
    blocks::set(&app, &caller, user, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unblock a user
///
/// To unblock a user that you do not block changes nothing.
#[utoipa::path(
    delete, path = "/api/blocks/{user_id}/", tag = "blocks", operation_id = "unblock_user",
    params(("user_id" = i64, Path, minimum = 1, description = "The user's id.")),
    responses(
        (status = 204, description = "The user is not blocked"),
        (status = 400, description = "It is you", body = FieldTexts,
            example = json!({"user_id": ["You cannot block yourself."]})),
        (status = 404, description = "No such user", body = Detail),
    )
)]
pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    Authenticated(caller): Authenticated,
    Id(user): Id<UserId>,
) -> Result<StatusCode> {
    blocks::set(&app, &caller, user, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
