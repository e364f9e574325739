//! The use-cases, one file a noun. An action asks `access` whether the caller may, applies the
//! domain's rules, writes in a unit of work, and says what happened. It knows no HTTP and no frame;
//! REST and socket call the same ones.

pub mod access;
pub mod accounts;
pub mod attempts;
pub mod avatars;
pub mod bus;
pub mod catchup;
pub mod chats;
pub mod clocks;
pub mod committer;
pub mod connect;
pub mod epoch;
mod grouping;
pub mod health;
pub mod housekeeping;
pub mod indexing;
pub mod live;
pub mod marks;
pub mod members;
pub mod messages;
pub mod nodes;
mod notices;
pub mod presence;
pub mod profiles;
pub mod receipts;
pub mod resets;
pub mod revocations;
pub mod search;
pub mod sessions;
pub mod signals;
pub mod sync;
pub mod tickets;
pub mod unit;
pub mod users;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use crate::app::{App, Workers};

/// Starts what runs for as long as the node serves.
pub fn start(app: &Arc<App>, workers: Workers) {
    for queue in workers.sends {
        app.background(committer::run(Arc::clone(app), queue));
    }
    app.background(marks::run(Arc::clone(app), workers.marks));
    if let Some(worker) = workers.bus {
        app.background(bus::run(Arc::clone(app), worker));
    }
    let logged = Arc::default();
    app.every(clocks::INTERVAL, move |app| clocks::follow(app, Arc::clone(&logged)));
    app.every(sessions::TOUCH_INTERVAL, sessions::store_touched);
    app.every(epoch::WATCH, epoch::watch);
    app.every(nodes::HEARTBEAT_INTERVAL, nodes::heartbeat);
    app.every(presence::FLUSH_INTERVAL, presence::flush);
    app.every(presence::FLUSH_INTERVAL, presence::recheck);
    app.every(signals::TICK, signals::tick);
    app.every(catchup::COMPARE, catchup::compare_versions);
    let seen = Arc::new(AtomicI64::new(app.clock.now().micros()));
    app.background(catchup::after_outages(Arc::clone(app), Arc::clone(&seen)));
    app.every(catchup::COMPARE, move |app| catchup::find_chats(app, Arc::clone(&seen)));
    let seen = Arc::new(AtomicI64::new(app.clock.now().micros()));
    app.every(revocations::INTERVAL, move |app| revocations::close_ended(app, Arc::clone(&seen)));
    let seen = Arc::new(AtomicI64::new(app.clock.now().micros()));
    app.every(catchup::LOOK, catchup::fill_gaps);
    app.every(catchup::DEPART, move |app| catchup::tell_departed(app, Arc::clone(&seen)));
    app.every(indexing::INTERVAL, indexing::index);
    app.every(housekeeping::INTERVAL, housekeeping::forget);
    let unnamed = Arc::default();
    app.every(avatars::INTERVAL, move |app| avatars::sweep(app, Arc::clone(&unnamed)));
    app.every(housekeeping::PURGE_INTERVAL, housekeeping::purge);
    app.every(housekeeping::TRIM_INTERVAL, housekeeping::close_idle);
    app.every(housekeeping::MEMORY_INTERVAL, housekeeping::give_memory_back);
}
