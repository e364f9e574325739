//! What staff see of the site as a whole: how many there are of what, what runs, and how busy it was. Each figure is read
//! in bounded time, however large the site is, and says whether it is an estimate.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::app::{App, living_heartbeats};
use crate::domain::error::Result;
use crate::domain::session::Caller;
use crate::domain::time::Timestamp;
use crate::store::counters;
use crate::store::figures::{self, Beginning, NodeFigures};
use crate::store::migrations::{self, State};
use crate::store::site;

pub use crate::store::counters::Counts;

use super::counters::minute_of;
use super::staff;
use super::unit::Unit;

/// Rows that are counted one by one. Beyond, the number of rows is an estimate.
const COUNTED: i64 = 10_000;
/// The time that the plots show, and the time of one point.
pub const PLOTTED: Duration = Duration::from_secs(86_400);
/// The time of one point of a plot.
pub const STEP: Duration = Duration::from_secs(900);
/// How often large tables are counted.
pub const INTERVAL: Duration = Duration::from_secs(600);
/// Two nodes need not count the same.
const FRESH: Duration = Duration::from_secs(540);
const ACTIVE: &str = "active users";

/// A number, and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// It was counted now.
    Exact(i64),
    /// It was counted at this time.
    Counted(i64, Timestamp),
    /// About so many.
    About(i64),
    /// Nobody has counted yet.
    Unknown,
}

/// The site as a whole.
#[derive(Debug)]
pub struct Overview {
    /// Accounts, deactivated ones included.
    pub users: Figure,
    /// Users who were connected in the last day.
    pub active: Figure,
    /// Users who are connected.
    pub online: i64,
    /// Chats.
    pub chats: Figure,
    /// Messages.
    pub messages: Figure,
    /// The living nodes; this one is [`crate::app::Nodes::name`].
    pub nodes: Vec<NodeFigures>,
    /// Whether this node is connected to the bus; `None` if there is none.
    pub bus: Option<bool>,
    /// Whether the database is embedded.
    pub is_sqlite: bool,
    /// The database's size in bytes.
    pub size: i64,
    /// How long the database takes to read one row.
    pub latency: Duration,
    /// How many migrations are applied, and the last one.
    pub migrations: (usize, String),
    /// How they compare with this program.
    pub state: State,
    /// How busy the site was: the beginning of each step, and what was counted in it.
    pub steps: Vec<(Timestamp, Counts)>,
}

impl Overview {
    /// Why the schema is not what this program expects, if it is not.
    pub fn trouble(&self) -> Option<String> {
        match &self.state {
            State::Current => None,
            State::Behind(missing) => Some(format!("pending: {}", missing.join(", "))),
            State::NewerCompatible(newer) => {
                Some(format!("of a newer version: {}", newer.join(", ")))
            }
            State::NewerIncompatible(name) => Some(format!("{name} needs a newer program")),
            State::Edited(name) => Some(format!("{name} was edited")),
        }
    }
}

/// The overview, for staff.
pub async fn overview(app: &Arc<App>, caller: &Caller) -> Result<Overview> {
    staff::for_staff(&caller.user)?;
    let db = &app.db;
    let now = app.clock.now();
    let started = Instant::now();
    site::epoch(db).await?;
    let latency = started.elapsed();
    let (earliest, latest) = living_heartbeats(&app.clock);
    let (users, chats, messages) = (
        figures::users(db, COUNTED + 1).await?,
        figures::chats(db, COUNTED + 1).await?,
        figures::messages(db, COUNTED + 1).await?,
    );
    let about = figures::estimates(db).await?;
    let steps = migrations::status(db).await?;
    let applied: Vec<_> = steps.iter().filter(|step| step.applied).collect();
    Ok(Overview {
        users: figure(users, about.0),
        active: active(app, users, now).await?,
        online: figures::online(db, earliest, latest).await?,
        chats: figure(chats, about.1),
        messages: figure(messages, about.2),
        nodes: figures::nodes(db, earliest, latest).await?,
        bus: app.hub.bus.is_connected(),
        is_sqlite: db.is_sqlite(),
        size: figures::size(db).await?,
        latency,
        migrations: (
            applied.len(),
            applied.last().map_or_else(String::new, |step| step.name.clone()),
        ),
        state: State::of(&steps),
        steps: busy(app, now).await?,
    })
}

fn figure(beginning: Beginning, about: i64) -> Figure {
    match beginning.all <= COUNTED {
        true => Figure::Exact(beginning.present),
        // There are more than that, whatever the estimate says.
        false => Figure::About(about.max(COUNTED)),
    }
}

async fn active(app: &App, users: Beginning, now: Timestamp) -> Result<Figure> {
    if users.all <= COUNTED {
        let since = now.minus(PLOTTED);
        return Ok(Figure::Exact(figures::seen_since(&app.db, since, COUNTED + 1).await?));
    }
    let counted = figures::counted(&app.db, ACTIVE).await?;
    Ok(counted.map_or(Figure::Unknown, |(value, at)| Figure::Counted(value, at)))
}

/// The last day in steps, of which the newest is not over. Of sockets, a step has the most at once.
async fn busy(app: &App, now: Timestamp) -> Result<Vec<(Timestamp, Counts)>> {
    let step = i64::try_from(STEP.as_micros()).unwrap_or(i64::MAX);
    let number_of = |time: Timestamp| time.micros().div_euclid(step);
    let count = i64::try_from(PLOTTED.as_micros()).unwrap_or(i64::MAX) / step;
    let first = number_of(now) - count + 1;
    let begins = |number: i64| Timestamp::from_micros(number * step);
    let mut steps: Vec<_> =
        (first..first + count).map(|number| (begins(number), Counts::default())).collect();
    for (minute, counts) in counters::between(&app.db, begins(first), minute_of(now)).await? {
        let index = usize::try_from(number_of(minute) - first).ok();
        let Some((_, sum)) = index.and_then(|index| steps.get_mut(index)) else { continue };
        sum.messages += counts.messages;
        sum.logins += counts.logins;
        sum.errors += counts.errors;
        sum.sockets = sum.sockets.max(counts.sockets);
    }
    Ok(steps)
}

/// Counts what takes long to count, on a large site: one of its nodes does it.
pub async fn count(app: Arc<App>) -> Result<()> {
    let now = app.clock.now();
    let users = figures::users(&app.db, COUNTED + 1).await?;
    let counted = figures::counted(&app.db, ACTIVE).await?;
    let is_fresh = counted.is_some_and(|(_, at)| at > now.minus(FRESH) && at <= now);
    if users.all <= COUNTED || is_fresh {
        return Ok(());
    }
    // Outside of the transaction, for which others wait.
    let active = figures::seen_since(&app.db, now.minus(PLOTTED), i64::MAX).await?;
    let mut unit = Unit::begin(&app).await?;
    figures::store(&mut unit.tx, ACTIVE, active, now).await?;
    unit.commit().await
}
