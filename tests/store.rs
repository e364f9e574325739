//! Every query of the store, on both databases. SQL is not checked at compile time, so a query without
//! a test here is a bug. `tests/api` tests what the actions do with the rows.

#[path = "store/account_version.rs"]
mod account_version;
#[path = "store/accounts.rs"]
mod accounts;
#[path = "store/avatars.rs"]
mod avatars;
#[path = "store/blocks.rs"]
mod blocks;
#[path = "store/changes.rs"]
mod changes;
#[path = "store/chats.rs"]
mod chats;
#[path = "store/connecting.rs"]
mod connecting;
#[path = "store/explain.rs"]
mod explain;
#[path = "store/fulltext.rs"]
mod fulltext;
#[path = "store/growth.rs"]
mod growth;
#[path = "store/invites.rs"]
mod invites;
#[path = "store/least.rs"]
mod least;
#[path = "store/leaving.rs"]
mod leaving;
#[path = "store/messages.rs"]
mod messages;
#[path = "store/pooler.rs"]
mod pooler;
#[path = "store/presence.rs"]
mod presence;
#[path = "store/rate_limits.rs"]
mod rate_limits;
#[path = "store/resets.rs"]
mod resets;
#[path = "store/schema.rs"]
mod schema;
#[path = "store/search.rs"]
mod search;
#[path = "store/sending.rs"]
mod sending;
#[path = "store/support.rs"]
mod support;
#[path = "store/transactions.rs"]
mod transactions;
