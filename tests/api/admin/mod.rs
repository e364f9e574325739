//! The admin site over HTTP: who gets in, what its pages and forms do, and what they reveal.

mod entrance;
mod moderation;
mod overview;
mod own_sessions;
mod rights;
mod scene;
mod secrecy;
mod session_ends;
mod users;
