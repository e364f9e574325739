//! Forwarding: the body of a request, and its answer.

use std::collections::HashSet;

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::forwards::{CHATS_MAX, Forward};
use crate::domain::ids::ChatId;
use crate::domain::input::Input;
use crate::domain::message::ClientId;

use super::fields::Fields;
use super::kinds::ObjectIds;
use super::messages::{MessageJson, client_id};
use super::visitor::{Visitor, describe};

/// The messages that a message was forwarded as.
#[derive(Serialize, ToSchema)]
#[schema(as = ForwardedMessages)]
pub struct ForwardedJson<'a> {
    /// In the order of the request.
    #[schema(max_items = 20)]
    pub results: Vec<MessageJson<'a>>,
}

/// Forwards a message.
#[derive(Debug)]
pub struct ForwardMessage {
    chats: Option<Vec<i64>>,
    client_id: Option<ClientId>,
}

impl PartialSchema for ForwardMessage {
    fn schema() -> RefOr<Schema> {
        describe("Forwards a message.", Self::visit)
    }
}

impl ToSchema for ForwardMessage {}

impl ForwardMessage {
    fn visit(body: &mut impl Visitor) -> Self {
        let chats = ObjectIds { min: Some(1), max: Some(CHATS_MAX), example: &[3, 4] };
        Self {
            chats: body.required("chats", "The ids of the chats. Repeated ones count once.", chats),
            client_id: body.nullable(
                "client_id",
                "An idempotency key in each of the chats, as for sending.",
                client_id(),
            ),
        }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Input<Forward> {
        let Self { chats, client_id } = Self::visit(&mut body);
        let mut seen = HashSet::new();
        let mut chats: Vec<_> = chats.unwrap_or_default().into_iter().map(ChatId).collect();
        chats.retain(|chat| seen.insert(*chat));
        if chats.len() > CHATS_MAX {
            let text = format!("Ensure this field has no more than {CHATS_MAX} elements.");
            body.fault("chats", text);
            chats.truncate(CHATS_MAX);
        }
        if chats.is_empty() && body.is_right() {
            body.fault("chats", "This list may not be empty.");
        }
        Input { value: Forward { chats, client_id }, errors: body.into_errors() }
    }
}
