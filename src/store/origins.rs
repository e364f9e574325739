//! Who wrote forwarded messages first, as everybody is shown now. Messages are read without that: few are forwards.

use std::collections::HashMap;

use crate::domain::message::Message;
use crate::domain::user::User;

use super::error::Result;
use super::query::Target;
use super::users;

/// Adds the first authors of messages that were forwarded. Without any this costs nothing.
pub(super) async fn add_authors<'a>(
    at: Target<'_>,
    messages: impl Iterator<Item = &'a mut Message>,
) -> Result<()> {
    let origins = messages.filter_map(|message| message.extras.as_mut()?.origin.as_mut());
    let origins: Vec<_> = origins.collect();
    let ids: Vec<_> = origins.iter().map(|origin| origin.user).collect();
    let users = users::by_ids(at, &ids).await?;
    let users: HashMap<_, _> = users.iter().map(|user| (user.id, user)).collect();
    for origin in origins {
        origin.author = users.get(&origin.user).copied().map(User::reference);
    }
    Ok(())
}
