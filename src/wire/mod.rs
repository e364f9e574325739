//! The JSON that clients see, shared by REST and socket: objects, frames, errors, and the reading
//! of bodies. Shapes only: what is allowed is decided elsewhere.

pub mod answers;
pub mod chat_requests;
pub mod errors;
pub mod fields;
pub mod frames;
pub mod incoming;
pub mod known;
pub mod objects;
pub mod requests;
pub mod resets;
