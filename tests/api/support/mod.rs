//! What the tests stand on: a server of their own, clients, sockets.

pub mod app;
pub mod client;
pub mod socket;
pub mod tokens;

pub use app::{Backend, PASSWORD, TestApp};
pub use client::{Answer, Client};
pub use socket::Socket;
