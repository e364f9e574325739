//! The use cases, one file per noun. An action asks `access` whether the caller has the right, applies the
//! domain's rules, writes in a unit of work, and emits events. It knows no HTTP and no frames; REST and
//! sockets call the same actions.

pub mod access;
mod account_events;
pub mod account_version;
pub mod accounts;
pub mod admin_sessions;
mod attaching;
pub mod attachments;
pub mod attempts;
pub mod audit;
pub mod avatars;
mod batch;
pub mod blocks;
pub mod bus;
pub mod catchup;
pub mod chat_settings;
pub mod chats;
pub mod clocks;
pub mod committer;
pub mod connect;
pub mod counters;
pub mod django;
pub mod doctor;
pub mod epoch;
pub mod exports;
pub mod figures;
pub mod forwarding;
mod grouping;
pub mod health;
pub mod hiding;
pub mod housekeeping;
pub mod imports;
pub mod indexing;
pub mod invites;
pub mod live;
mod login_log;
mod login_names;
mod logins;
pub mod look_back;
mod lookups;
pub mod markers;
pub mod members;
mod mentions;
pub mod message_index;
pub mod message_merging;
pub mod message_search;
pub mod messages;
pub mod monitoring;
pub mod nodes;
mod notices;
pub mod passwords;
pub mod pins;
pub mod presence;
pub mod profiles;
mod reacting;
pub mod reactions;
pub mod receipts;
pub mod reports;
pub mod resets;
pub mod retention;
pub mod revocations;
pub mod search;
pub mod sessions;
pub mod signals;
pub mod staff;
pub mod staff_chats;
pub mod staff_users;
pub mod stored_files;
pub mod sync;
pub mod tickets;
pub mod transfer;
pub mod unit;
pub mod users;

use std::sync::Arc;

use crate::app::{App, Workers};

use look_back::LookBack;

/// Starts the background tasks, which run for as long as the node serves.
pub fn start(app: &Arc<App>, workers: Workers) {
    for queue in workers.sends {
        app.background("committer", committer::run(Arc::clone(app), queue));
    }
    app.background("reactions", reacting::run(Arc::clone(app), workers.reactions));
    app.background("markers", markers::run(Arc::clone(app), workers.markers));
    lookups::start(app, workers.questions);
    if let Some(worker) = workers.bus {
        app.background("bus", bus::run(Arc::clone(app), worker));
    }
    start_presence(app);
    start_catchup(app);
    start_upkeep(app);
}

fn start_presence(app: &Arc<App>) {
    app.every("heartbeat", nodes::HEARTBEAT_INTERVAL, nodes::heartbeat);
    app.every("presence_flush", presence::FLUSH_INTERVAL, presence::flush);
    app.every("presence_recheck", presence::FLUSH_INTERVAL, presence::recheck);
    app.every("hiding", hiding::INTERVAL, hiding::follow);
    let blocks_seen = Arc::new(LookBack::new(app.clock.now()));
    app.every("compare_blocks", hiding::COMPARE_INTERVAL, move |app| {
        hiding::compare(app, Arc::clone(&blocks_seen))
    });
    app.every("signals", signals::TICK, signals::tick);
}

/// Each of these looks back to its own last success.
fn start_catchup(app: &Arc<App>) {
    let since_now = || Arc::new(LookBack::new(app.clock.now()));
    let (found, departed, revoked) = (since_now(), since_now(), since_now());
    app.every("compare_versions", catchup::COMPARE_INTERVAL, catchup::compare_versions);
    app.every("compare_entered", catchup::GAP_INTERVAL, catchup::compare_entered);
    app.every("confirm_entered", catchup::GAP_INTERVAL, catchup::confirm_entered);
    app.every("account_catch_up", account_events::INTERVAL, account_events::catch_up);
    app.every("compare_accounts", account_events::COMPARE_INTERVAL, account_events::compare);
    app.every("fill_gaps", catchup::GAP_INTERVAL, catchup::fill_gaps);
    app.background(
        "catch up after outages",
        catchup::after_outages(Arc::clone(app), Arc::clone(&found)),
    );
    app.every("find_chats", catchup::COMPARE_INTERVAL, move |app| {
        catchup::find_chats(app, Arc::clone(&found))
    });
    app.every("publish_departures", catchup::DEPARTURE_INTERVAL, move |app| {
        catchup::publish_departures(app, Arc::clone(&departed))
    });
    app.every("revocations", revocations::INTERVAL, move |app| {
        revocations::close_ended(app, Arc::clone(&revoked))
    });
}

fn start_upkeep(app: &Arc<App>) {
    let (logged, unreferenced, swept) = (Arc::default(), Arc::default(), Arc::default());
    app.background("event_loop_lag", monitoring::measure_lag(Arc::clone(app)));
    app.every("explain", monitoring::EXPLAIN_INTERVAL, monitoring::explain_slow);
    app.every("clock", clocks::INTERVAL, move |app| clocks::follow(app, Arc::clone(&logged)));
    app.every("epoch", epoch::INTERVAL, epoch::check);
    app.every("session_use", sessions::TOUCH_INTERVAL, sessions::store_touched);
    app.every("indexing", indexing::INTERVAL, indexing::index);
    let (held, tidied) = (Arc::<message_index::IndexHold>::default(), Arc::default());
    let hold = Arc::clone(&held);
    app.every("message_index", message_index::INTERVAL, move |app| {
        message_index::index(app, Arc::clone(&hold))
    });
    app.every("message_merging", message_merging::INTERVAL, move |app| {
        message_merging::merge(app, Arc::clone(&held), Arc::clone(&tidied))
    });
    app.every("counters", counters::INTERVAL, counters::store);
    app.every("figures", figures::INTERVAL, figures::count);
    app.every("housekeeping", housekeeping::INTERVAL, housekeeping::forget);
    app.every("retention", retention::INTERVAL, move |app| {
        retention::sweep(app, Arc::clone(&swept))
    });
    app.every("file_sweep", stored_files::INTERVAL, move |app| {
        stored_files::sweep(app, Arc::clone(&unreferenced))
    });
    app.every("abandoned_uploads", attachments::INTERVAL, attachments::forget_abandoned);
    app.every("checkpoint", housekeeping::CHECKPOINT_INTERVAL, housekeeping::checkpoint);
    app.every("purge", housekeeping::PURGE_INTERVAL, housekeeping::purge);
    app.every("idle_connections", housekeeping::TRIM_INTERVAL, housekeeping::close_idle);
    app.every("memory", housekeeping::MEMORY_INTERVAL, housekeeping::give_memory_back);
}
