//! Read markers and receipts.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::error::Result;
use crate::domain::ids::MessageId;
use crate::domain::numbering::Seq;
use crate::domain::receipt::ReadUpTo;

use super::fields::Fields;
use super::users::UserRef;

/// One's marks in a chat.
#[derive(Serialize, ToSchema)]
pub struct Marks {
    /// One's read mark.
    #[schema(value_type = i64, minimum = 0)]
    pub last_read_seq: Seq,
    /// Messages by others, not deleted, after that.
    #[schema(minimum = 0)]
    pub unread_count: i64,
}

/// Who has a message. Its sender is not counted.
#[derive(Serialize, ToSchema)]
pub struct Receipts<'a> {
    /// Who has read it: at most 1,000, by username.
    #[schema(max_items = 1000)]
    pub read: Vec<UserRef<'a>>,
    /// Who has received it on a device, but not read it: at most 1,000, by username.
    #[schema(max_items = 1000)]
    pub delivered: Vec<UserRef<'a>>,
    /// How many have read it.
    #[schema(minimum = 0)]
    pub read_count: i64,
    /// How many have received it, but not read it.
    #[schema(minimum = 0)]
    pub delivered_count: i64,
}

/// Marks messages as read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ReadMessages {
    /// Everything up to this `seq`; beyond the newest message, up to that. Required where `message`
    /// is left out.
    #[schema(minimum = 0, nullable = false)]
    seq: Option<i64>,
    /// Everything up to the message with this id, instead of `seq`.
    #[schema(minimum = 1)]
    message: Option<i64>,
}

impl ReadMessages {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<ReadUpTo> {
        let seq = body.integer("seq", 0, i64::MAX).map(Seq).map(ReadUpTo::Seq);
        let message = body.nullable_id("message").map(|id| ReadUpTo::Message(MessageId(id)));
        if seq.is_none() && message.is_none() && body.is_right() {
            body.require("seq");
        }
        body.finish(seq.or(message))
    }
}
