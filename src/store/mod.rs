//! The only SQL: one text for both databases, or two side by side where the dialects differ.
//! Nothing here decides who may do what, and nothing here publishes.

pub mod account_version;
pub mod audit;
pub mod avatars;
pub mod chat_lists;
pub mod chats;
pub mod checkpoint;
pub mod connecting;
pub mod db;
pub mod departures;
pub mod error;
mod faults;
mod lease;
pub mod least;
pub mod markers;
pub mod member_chats;
pub mod members;
pub mod messages;
mod migration_state;
pub mod migrations;
pub mod open;
pub mod pooler;
pub mod pools;
pub mod post;
mod postgres_row;
pub mod postgres_url;
pub mod presence;
pub mod query;
pub mod rate_limits;
mod reserve;
pub mod resets;
mod rows;
pub mod search;
pub mod seen;
pub mod sends;
pub mod server_facts;
pub mod server_lock;
pub mod sessions;
pub mod site;
pub mod sqlite;
pub mod tickets;
pub mod users;
mod values;
mod worker;

pub use db::{Db, Tx};
pub use query::{Dialects, Target};
