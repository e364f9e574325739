//! A site that moves: export and import, backup and restore, with the program as an operator runs it.

#[path = "api/support/bucket.rs"]
mod bucket;
#[path = "moves/django.rs"]
mod django;
#[path = "moves/rejected.rs"]
mod rejected;
#[path = "moves/restore.rs"]
mod restore;
#[path = "moves/round_trip.rs"]
mod round_trip;
#[path = "moves/site.rs"]
mod site;
