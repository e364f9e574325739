//! The WebSocket: what a session does with frames and events, and the loop that moves them. It
//! calls the same actions as REST.

mod close;
mod flood;
mod heartbeat;
mod session;
pub mod socket;
