//! The admin site over HTTP: who gets in, what its pages and forms do, and what they reveal.

mod entrance;
mod own_sessions;
mod secrecy;
mod session_ends;
