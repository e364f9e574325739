//! What the tests of the API stand on, beside `meowsenger-testing`: a server inside the test's
//! process, and the documents that its answers are checked against.

pub mod app;
pub mod bucket;
pub mod mail;
pub mod openapi;
pub mod operator;
pub mod program;
pub mod replica;
pub mod scene;
pub mod tokens;

pub use app::TestApp;
pub use mail::MailServer;
pub use meowsenger_testing::{
    Answer, Backend, Chance, Client, Ledger, PASSWORD, Proxy, Socket, eventually, services, socket,
};
pub use program::Program;
pub use replica::Replica;
