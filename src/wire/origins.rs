//! Where forwarded messages come from, as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::origins::ForwardOrigin;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;

use super::users::UserRefJson;

/// Who wrote a forwarded message first.
#[derive(Serialize, ToSchema)]
#[schema(as = ForwardedFrom)]
pub struct OriginJson<'a> {
    /// `null` if this is not known any more.
    #[schema(required)]
    user: Option<UserRefJson<'a>>,
    /// When they sent it.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

impl<'a> OriginJson<'a> {
    /// As every member sees it.
    pub fn of(origin: &'a ForwardOrigin, urls: &Urls) -> Self {
        let user = origin.author.as_ref().map(|user| UserRefJson::of(user, urls));
        Self { user, timestamp: origin.timestamp }
    }
}
