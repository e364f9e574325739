//! Ten minutes of everything at a moderate load: reads, sends, deliveries, and sockets that come and go. What the
//! server holds must not grow: memory, open files, the write-ahead log, connections to the database.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use tokio::task::LocalSet;
use tokio::time::{Instant, interval, sleep_until};

use crate::http::Connection;
use crate::load::Requests;
use crate::scenarios::everything;
use crate::site::{Backend, Place, Site};
use crate::world::{Part, Size};
use crate::ws::RawSocket;
use crate::{Result, say, server};

/// Connections for requests.
const CONNECTIONS: usize = 16;
/// Sockets that are open, each of another person.
const SOCKETS: usize = 1_000;
/// How long a socket stays open on average: ten come and go in a second.
const STAY: Duration = Duration::from_secs(100);
/// How often each socket sends a message.
const SPEAKS: Duration = Duration::from_secs(20);
/// How often the server is looked at.
const EVERY: Duration = Duration::from_secs(30);
/// Descriptors besides those of sockets.
const OTHER_FILES: u64 = 64;

/// The command-line options.
#[derive(clap::Args)]
pub struct Arguments {
    /// Duration
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(120..))]
    seconds: u64,
    /// Requests a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(16..))]
    rate: u32,
    /// Limit of the growth of memory, in MiB in ten minutes, after the first third
    #[arg(long, default_value_t = 6.0)]
    max_growth: f64,
    /// The server's program; default: `meowsenger` in the folder of this one
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Use a database on this PostgreSQL server instead of SQLite; as superuser
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A folder on a disk for SQLite's files; default: that of this program
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// What the server holds at a moment.
struct Sample {
    at: Duration,
    resident_kib: u64,
    files: usize,
    /// Bytes of SQLite's write-ahead log, or connections to PostgreSQL.
    database: u64,
}

/// What was done.
#[derive(Default)]
struct Counts {
    requests: Cell<u64>,
    connects: Cell<u64>,
    sent: Cell<u64>,
    received: Cell<u64>,
}

/// Whether nothing grew.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, soak(arguments))
}

async fn soak(arguments: &Arguments) -> Result<bool> {
    rlimit::increase_nofile_limit(SOCKETS as u64 + OTHER_FILES)?;
    let program = arguments.server.clone().map_or_else(server::beside_us, Ok)?;
    let program = std::path::absolute(program)?;
    let own = std::env::current_exe()?;
    let beside = own.parent().unwrap_or(Path::new("."));
    let folder = std::path::absolute(arguments.data.as_deref().unwrap_or(beside))?;
    let place = Place { folder: &folder, postgres: arguments.postgres.as_deref() };
    let backend = if place.postgres.is_some() { Backend::Postgres } else { Backend::Sqlite };
    let site = Site::open(backend, &program, &place, Size::QUICK, &[Part::People]).await?;

    let (began, counts) = (Instant::now(), Counts::default());
    let until = began + Duration::from_secs(arguments.seconds);
    let every = Duration::from_secs(1) * CONNECTIONS as u32 / arguments.rate;
    let requests = everything(&site);
    let calls =
        (0..CONNECTIONS).map(|number| call(&site, number, every, until, &requests, &counts));
    let visits = (0..SOCKETS).map(|number| visit(&site, number, until, &counts));
    let load = try_join(try_join_all(calls), try_join_all(visits));
    let (samples, _) = try_join(watch(&site, began, until), load).await?;

    let Counts { requests, connects, sent, received } = &counts;
    say(&format!(
        "{} requests, {} sockets opened, {} messages sent by them, {} events received",
        requests.get(),
        connects.get(),
        sent.get(),
        received.get()
    ));
    site.close(&place).await?;
    Ok(judge(&samples, arguments.max_growth))
}

/// Makes requests on one connection at an even rate.
async fn call(
    site: &Site,
    number: usize,
    every: Duration,
    until: Instant,
    requests: &impl Requests,
    counts: &Counts,
) -> Result {
    let mut connection = Connection::open(site.address).await?;
    let (mut ticks, mut request) = (interval(every), Vec::new());
    for turn in 0.. {
        if ticks.tick().await >= until {
            break;
        }
        request.clear();
        requests(number, turn, &mut request);
        connection.call(&request).await?;
        counts.requests.set(counts.requests.get() + 1);
    }
    Ok(())
}

/// A person's sockets, one after the other.
async fn visit(site: &Site, number: usize, until: Instant, counts: &Counts) -> Result {
    let (token, run) = (site.world.person(number), fastrand::u32(..));
    let chat = site.world.small_chats(number).next().ok_or("no chat")?;
    // The first ones end early, so that sockets do not all come and go together.
    let mut end = Instant::now() + STAY.mul_f64(fastrand::f64());
    while Instant::now() < until {
        let (mut socket, _) = RawSocket::open(site.address, &token).await?;
        counts.connects.set(counts.connects.get() + 1);
        let writer = socket.writer();
        let mut next = Instant::now() + SPEAKS.mul_f64(fastrand::f64());
        let end_now = end.min(until);
        while Instant::now() < end_now {
            tokio::select! {
                read = socket.read(|_| counts.received.set(counts.received.get() + 1)) => read?,
                () = sleep_until(next.min(end_now)) => if next <= end_now {
                    next += SPEAKS;
                    let sent = counts.sent.replace(counts.sent.get() + 1);
                    let frame = format!(
                        r#"{{"type":"message.send","id":1,"chat":{chat},"content":"Meow, as long as people write on an ordinary day.","client_id":"{run:x}-{sent}"}}"#
                    );
                    writer.send([frame.as_str()]).await?;
                },
            }
        }
        end += STAY.mul_f64(0.5 + fastrand::f64());
    }
    Ok(())
}

/// Looks at the server at an interval.
async fn watch(site: &Site, began: Instant, until: Instant) -> Result<Vec<Sample>> {
    say(&format!(
        "{:>8}{:>12}{:>12}{:>24}",
        "s", "RSS MiB", "open files", "log KiB or connections"
    ));
    let mut samples = Vec::new();
    let mut ticks = interval(EVERY);
    while ticks.tick().await < until {
        let sample = Sample {
            at: began.elapsed(),
            resident_kib: site.server()?.resident_kib()?,
            files: site.open_files()?,
            database: database(site).await?,
        };
        say(&format!(
            "{:>8.0}{:>12.1}{:>12}{:>24}",
            sample.at.as_secs_f64(),
            sample.resident_kib as f64 / 1024.0,
            sample.files,
            sample.database
        ));
        samples.push(sample);
    }
    Ok(samples)
}

async fn database(site: &Site) -> Result<u64> {
    match site.backend {
        // Absent until the first write.
        Backend::Sqlite => {
            let log = site.folder().join("data/meowsenger.sqlite3-wal");
            Ok(fs::metadata(log).map_or(0, |file| file.len() / 1024))
        }
        Backend::Postgres => {
            let mut database = site.database().await?;
            let count = "select count(*) from pg_stat_activity where datname = current_database()";
            let found = database.number(count).await?;
            database.close().await?;
            // Without this one.
            Ok(u64::try_from(found - 1)?)
        }
    }
}

/// Whether nothing grew after the first third, in which caches fill.
fn judge(samples: &[Sample], max_growth: f64) -> bool {
    let rest = &samples[samples.len() / 3..];
    let growth = |of: &dyn Fn(&Sample) -> f64| 600.0 * slope(rest, of);
    let memory = growth(&|sample| sample.resident_kib as f64 / 1024.0);
    let files = growth(&|sample| sample.files as f64);
    let database = growth(&|sample| sample.database as f64);
    say(&format!(
        "growth in ten minutes: {memory:.2} MiB of memory, {files:.1} open files, {database:.0} KiB of log or \
         connections"
    ));
    // Every socket is a file, and each is away for a moment when it is replaced.
    memory <= max_growth && files <= SOCKETS as f64 / 100.0
}

/// The slope of a line through the samples (least squares), in units a second.
fn slope(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    let count = samples.len() as f64;
    let at = |sample: &Sample| sample.at.as_secs_f64();
    let middle = samples.iter().map(at).sum::<f64>() / count;
    let mean = samples.iter().map(&of).sum::<f64>() / count;
    let (mut rise, mut run) = (0.0, 0.0);
    for sample in samples {
        rise += (at(sample) - middle) * (of(sample) - mean);
        run += (at(sample) - middle).powi(2);
    }
    rise / run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_found_and_noise_is_not() {
        let samples = |of: fn(u64) -> u64| -> Vec<Sample> {
            let sample = |n: u64| Sample {
                at: Duration::from_secs(30 * n),
                resident_kib: of(n),
                files: 0,
                database: 0,
            };
            (0..20).map(sample).collect()
        };
        assert!(judge(&samples(|n| 50_000 + n % 2 * 4_000), 6.0));
        assert!(!judge(&samples(|n| 50_000 + n * 500), 6.0));
    }
}
