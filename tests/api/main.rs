//! The promises of the API, asked of a real server over real connections, on each database.

mod support;

mod catchup;
mod closing;
mod convergence;
mod faults;
mod handshake;
mod ordering;
mod silence;
mod slow_reader;
mod smoke;
mod socket;
