//! What the tests stand on: a server of their own, clients, sockets.

pub mod app;
mod asyncapi;
pub mod bucket;
pub mod chance;
pub mod client;
pub mod ledger;
pub mod mail;
pub mod openapi;
pub mod program;
pub mod proxy;
pub mod replica;
pub mod scene;
pub mod schema;
pub mod socket;
pub mod tokens;

pub use app::{Backend, PASSWORD, TestApp};
pub use chance::Chance;
pub use client::{Answer, Client};
pub use ledger::Ledger;
pub use mail::MailServer;
pub use program::Program;
pub use proxy::Proxy;
pub use replica::{Replica, all_messages};
pub use socket::Socket;
