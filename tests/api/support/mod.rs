//! What the tests stand on: a server of their own, clients, sockets.

pub mod app;
pub mod client;
pub mod socket;

pub use app::{Backend, TestApp};
pub use client::{Answer, Client};
pub use socket::Socket;
