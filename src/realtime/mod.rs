//! The WebSocket: what a session does with frames and events, and the loop that moves them. It
//! calls the same actions as REST.

pub mod close;
mod flood;
pub mod heartbeat;
mod metered;
mod requests;
mod session;
pub mod socket;
pub mod transport;
