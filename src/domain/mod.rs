//! What Meowsenger talks about: types that cannot be wrong and pure rules over them.
//! Nothing here does I/O, reads a clock or knows how a thing is stored or sent.

pub mod account_version;
pub mod audit;
pub mod avatar;
pub mod chat;
pub mod chat_settings;
pub mod emoji;
pub mod error;
pub mod event;
pub mod extras;
pub mod forwards;
pub mod fulltext;
pub mod ids;
pub mod input;
pub mod login_names;
pub mod mentions;
pub mod message;
pub mod network;
pub mod numbering;
pub mod origin;
pub mod origins;
pub mod page;
pub mod password;
pub mod presence;
pub mod rate;
pub mod reactions;
pub mod receipt;
pub mod reset;
pub mod role;
pub mod search;
pub mod session;
pub mod sync;
pub mod text;
pub mod time;
pub mod urls;
pub mod user;
