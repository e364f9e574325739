//! The calls of the REST API, a file for each noun. How requests are made and retried is in `rest`.

mod attachments;
mod auth;
mod chats;
mod invites;
mod members;
mod messages;
mod sync;
mod users;

pub use messages::Anchor;
