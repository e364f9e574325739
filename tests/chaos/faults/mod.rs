//! The experiments: each file is one kind of fault. They take minutes, so `make chaos` runs them, not the
//! suite.

mod clock;
mod database;
mod disk;
mod failover;
mod partition;
mod pooler;
mod power;
mod storm;
mod upgrade;
