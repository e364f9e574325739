//! What was found in messages.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::fulltext::Highlight;
use crate::domain::message::Message;
use crate::domain::urls::Urls;

use super::messages::MessageJson;
use super::pages::PageJson;

/// A message that was found.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundMessage)]
pub struct FoundMessageJson<'a> {
    message: MessageJson<'a>,
    /// The matching parts of `content`: where each begins and ends, in Unicode code points. In order, and
    /// without overlaps.
    #[schema(value_type = Vec<Vec<i64>>, example = json!([[0, 4]]))]
    highlights: &'a [Highlight],
}

/// A page of messages that were found.
pub type FoundMessagePage<'a> = PageJson<FoundMessageJson<'a>>;

impl<'a> FoundMessageJson<'a> {
    /// As every member of the chat may see it.
    pub fn of(message: &'a Message, highlights: &'a [Highlight], urls: &Urls) -> Self {
        Self { message: MessageJson::of(message, urls), highlights }
    }
}
