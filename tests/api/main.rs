//! The promises of the API, asked of a real server over real connections, on each database.

mod support;

mod auth;
mod chats;
mod conventions;
mod messages;
mod openapi;
mod paging;
mod rubbish;
mod sessions;
mod smoke;
mod users;
