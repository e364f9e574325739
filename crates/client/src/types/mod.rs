//! The objects of the API as a client reads them, and the bodies that it sends. Unknown fields are
//! ignored and unknown enum values become `Other`, so that a newer server may add both.

mod attachments;
mod chats;
mod invites;
mod messages;
mod pictures;
mod sessions;
mod sync;
mod users;

pub use attachments::{Attachment, AttachmentLink, Upload};
pub use chats::{
    Chat, ChatSettings, ChatType, GroupUpdate, Markers, Member, NewGroup, Role, SettingsUpdate,
    UnreadCount, UnreadSums,
};
pub use invites::{
    Invite, InvitePreview, InvitedChat, MessageCopy, NewInvite, Report, ReportReason, ReportStatus,
};
pub(crate) use messages::random_client_id;
pub use messages::{
    Draft, ForwardedFrom, FoundMessage, Message, MessageStatus, Reaction, ReactionSummary, Receipts,
};
pub use pictures::Picture;
pub use sessions::{Registration, Session, Ticket, TokenPair};
pub use sync::{AccountDelta, BlockState, ChatDelta, ChatState, SyncRequest, SyncResponse};
pub use users::{Availability, Presence, ProfileUpdate, Status, User, UserRef};
