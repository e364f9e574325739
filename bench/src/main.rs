//! The load generator: its scenarios measure a running server from outside.

fn main() {}
