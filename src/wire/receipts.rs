//! Read markers and receipts.

use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::error::Result;
use crate::domain::ids::MessageId;
use crate::domain::numbering::Seq;
use crate::domain::receipt::ReadUpTo;

use super::fields::Fields;
use super::kinds::{Integer, ObjectId};
use super::users::UserRefJson;
use super::visitor::{Visitor, describe};

/// Your read marker in a chat.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadMarker)]
pub struct MarksJson {
    /// You have read everything up to here.
    #[schema(value_type = i64, minimum = 0)]
    pub last_read_seq: Seq,
    /// Messages by others after that, without deleted ones.
    #[schema(minimum = 0)]
    pub unread_count: i64,
}

/// Who has received and read a message, without its sender.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipts)]
pub struct ReceiptsJson<'a> {
    /// The users who have read it: at most 1,000, ordered by username.
    #[schema(max_items = 1000)]
    pub read: Vec<UserRefJson<'a>>,
    /// The users who have received it on a device, but not read it: at most 1,000, ordered by
    /// username.
    #[schema(max_items = 1000)]
    pub delivered: Vec<UserRefJson<'a>>,
    /// How many users have read it.
    #[schema(minimum = 0)]
    pub read_count: i64,
    /// How many users have received it, but not read it.
    #[schema(minimum = 0)]
    pub delivered_count: i64,
}

/// Marks messages as read.
#[derive(Debug)]
pub struct ReadMessages {
    seq: Option<Seq>,
    message: Option<MessageId>,
}

impl PartialSchema for ReadMessages {
    fn schema() -> RefOr<Schema> {
        describe("Marks messages as read.", Self::visit)
    }
}

impl ToSchema for ReadMessages {}

impl ReadMessages {
    fn visit(body: &mut impl Visitor) -> Self {
        let seq = "Everything up to this `seq`, or up to the newest message if it is larger. Required \
                   without `message`.";
        let message = "Everything up to the message with this id, instead of `seq`.";
        Self {
            seq: body.optional("seq", seq, Integer { min: 0, max: i64::MAX }).map(Seq),
            message: body.nullable("message", message, ObjectId::default()).map(MessageId),
        }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<ReadUpTo> {
        let Self { seq, message } = Self::visit(&mut body);
        if seq.is_none() && message.is_none() && body.is_right() {
            body.require("seq");
        }
        body.finish(seq.map(ReadUpTo::Seq).or(message.map(ReadUpTo::Message)))
    }
}
