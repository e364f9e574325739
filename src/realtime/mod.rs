//! The WebSocket: sessions, which act on frames, and the loop that reads and writes a socket. Calls the
//! same actions as REST.

pub mod close;
mod flood;
pub mod heartbeat;
mod reader;
mod requests;
mod session;
pub mod socket;
mod socket_log;
pub mod transport;
mod writer;
