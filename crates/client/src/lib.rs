//! A client of Meowsenger for bots and tests: the REST API, and a socket that keeps itself connected
//! and its program in step. It knows the protocol from outside and nothing of the server's code.
//!
//! # A guide
//!
//! A [`Server`] is an address; logging in, registering, or resuming with tokens that were kept
//! gives a [`Client`], which renews its tokens by itself:
//!
//! ```no_run
//! use meowsenger_client::{Change, Event, Options, Server};
//!
//! # async fn run() -> meowsenger_client::Result<()> {
//! let client = Server::new("http://127.0.0.1:8000").log_in("whiskers", "nine-lives-2026").await?;
//! let me = client.me().await?.id;
//!
//! let (live, mut events) = client.connect(Options::default());
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Change(Change::MessageCreated { chat, message, .. }) if message.sender.id != me => {
//!             live.send(chat, format!("You said: {}", message.content)).await?;
//!         }
//!         Event::Ended(error) => return Err(error),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **REST.** The methods of [`Client`]. What is safe to repeat is tried again over lost connections,
//! time-outs, 429 and 503, as `Retry-After` says, until the server's patience
//! ([`Server::with_patience`]) is over. A send is safe: it carries a `client_id`. Everything else
//! that goes wrong is an [`Error`]; [`Refusal`] has the server's own words, field by field.
//!
//! **The socket.** [`Client::connect`] gives a [`Live`], to ask for things, and [`Events`]. Whatever
//! the network does, a chat's changes come in the order of their versions, each once:
//!
//! - [`Event::Change`] is the chat's next change: its version is one more than the last.
//! - [`Event::Resynced`] takes a chat over changes that the connection missed, with the messages
//!   that they touched. Of a chat that was not known it has the newest message only.
//! - [`Event::ChatCreated`] and [`Event::ChatDeleted`] say which chats there are.
//! - [`Event::Disconnected`] is followed by [`Event::Ready`] when there is a connection again. Only
//!   [`Event::Ended`] is final: the session has ended, or the user has too many sockets.
//!
//! A message that was edited before its making was told comes as an update; treat both as "this is
//! how it is now". Signals ([`Signal`]) have no order and may be lost.
//!
//! **What is known.** [`Live::replica`] is the state that these events add up to: chats, their
//! messages from some point on, marks. Older messages are read by [`Client::messages`], and taken in
//! by [`Replica::learn`]. It can be stored (it is `serde`) and given back in [`Options::replica`]:
//! the next run is told what it missed.
//!
//! **Sending** over the socket ([`Live::send`]) waits for the server's `ack` and repeats over new
//! connections, under the same `client_id`, until there is one. Whoever awaits each send before the
//! next keeps their order.

mod backoff;
mod calls;
mod connection;
mod errors;
mod events;
mod frames;
mod known;
mod live;
mod outbox;
mod outlet;
mod replica;
mod rest;
mod socket;
mod tokens;
pub mod types;

pub use calls::Place;
pub use errors::{Error, Kind, Refusal, Result};
pub use events::{Event, Resynced};
pub use frames::{Change, Frame, Newer, Ready, Signal, SyncRequest, Synced};
pub use known::Known;
pub use live::{Auth, Events, Live, Options, Tap};
pub use replica::Replica;
pub use rest::{Client, Server};
pub use tokens::TokenPair;
