//! Meowsenger: a messenger backend. The modules, outermost first; each may use those below it, as
//! `tests/tidy.rs` checks and `ARCHITECTURE.md` explains.

pub mod actions;
pub mod admin;
pub mod app;
pub mod archive;
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod hub;
pub mod lifecycle;
pub mod mail;
pub mod media;
pub mod metrics;
pub mod reach;
pub mod realtime;
pub mod shares;
pub mod store;
pub mod telemetry;
pub mod traces;
pub mod wire;
