//! What the server's test binaries share: a fresh database for each test, a REST client and a
//! WebSocket client that check what they receive, the server as a process, a proxy that fails on
//! demand, and repeatable randomness. It holds no tests, and no part of the server depends on it.
#![expect(missing_docs, reason = "test code: many names need no explanation")]

mod asyncapi;
pub mod chance;
pub mod client;
pub mod eventually;
pub mod ledger;
pub mod program;
pub mod proxy;
pub mod ran;
pub mod schema;
pub mod services;
pub mod socket;
pub mod watchdog;

pub use chance::Chance;
pub use client::{Answer, Client};
pub use eventually::eventually;
pub use ledger::Ledger;
pub use program::Program;
pub use proxy::Proxy;
pub use ran::Ran;
pub use services::{Backend, PASSWORD};
pub use socket::Socket;
pub use watchdog::Watchdog;
