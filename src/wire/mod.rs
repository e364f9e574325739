//! The JSON that clients see, shared by REST and socket. A file for each noun has its objects and the
//! bodies of its requests; `frames` and `client_frames` are the socket's; `visitor`, `kinds` and
//! `fields` read and describe bodies, `schemas` is what all schemas have in common. What a caller may do is decided elsewhere.

pub mod account_version;
pub mod accounts;
pub mod attachments;
pub mod avatars;
pub mod chat_settings;
pub mod chats;
pub mod client_frames;
pub mod errors;
pub mod fast_sync;
pub mod fields;
pub mod forwards;
pub mod frames;
#[cfg(test)]
mod fuzz;
pub mod health;
pub mod incoming;
pub mod invites;
mod kinds;
pub mod members;
pub mod message_search;
pub mod messages;
pub mod origins;
pub mod pages;
pub mod presence;
pub mod reactions;
pub mod receipts;
pub mod reports;
pub mod request_id;
pub mod schemas;
pub mod sessions;
pub mod sync;
#[cfg(test)]
mod tests;
mod texts;
pub mod users;
pub(crate) mod visitor;
