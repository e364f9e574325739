//! The promises of the API, asked of a real server over real connections, on each database.

mod support;

mod auth;
mod avatars;
mod catchup;
mod chat_lists;
mod chats;
mod closing;
mod conventions;
mod convergence;
mod devices;
mod endings;
mod faults;
mod handshake;
mod hashes;
mod members;
mod messages;
mod openapi;
mod ordering;
mod paging;
mod presence;
mod profile;
mod receipts;
mod reference_client;
mod resets;
mod rubbish;
mod search;
mod sessions;
mod signals;
mod silence;
mod slow_reader;
mod smoke;
mod socket;
mod sync;
mod throttles;
mod users;
