//! `run`: measures scenarios, on one or both databases, of one program or of two by turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::figures::Figures;
use crate::load::Pace;
use crate::report::{Report, Row};
use crate::rival::Rival;
use crate::scenarios::{ALL, Scenario};
use crate::site::{Backend, Place, Site};
use crate::world::{Part, Size};
use crate::{Result, server};

/// Descriptors besides those of sockets.
const OTHER_FILES: u64 = 64;
/// How long a site may go on working after a scenario.
const SETTLING: Duration = Duration::from_secs(15);

/// The command-line options.
#[derive(clap::Args)]
pub struct Arguments {
    /// Scenarios, or beginnings of their names; default: all
    #[arg(long, num_args = 1.., value_name = "NAME")]
    only: Vec<String>,
    /// Lists the scenarios
    #[arg(long)]
    list: bool,
    /// Less data, one short round
    #[arg(long)]
    quick: bool,
    /// Messages in the scenarios with a long history; default: a million, or a tenth of that if quick
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(i64).range(10_000..))]
    history: Option<i64>,
    /// The database
    #[arg(long, value_enum, default_value_t = Databases::Both)]
    database: Databases,
    /// The server's program; default: `meowsenger` in the folder of this one
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Another program of the server, which is measured by turns with the first: what was before
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// A PostgreSQL server, as superuser (`postgres://…/postgres`); databases are created there and
    /// removed
    #[arg(long, env = "MEOW_TEST_POSTGRES_URL", value_name = "URL")]
    postgres: Option<String>,
    /// A folder on a disk for SQLite's files; default: that of this program
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Rounds, of which the median counts; default: 3, or 1 if quick
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measurement; default: 3, or 1 if quick
    #[arg(long)]
    seconds: Option<f64>,
    /// Other products that run already, described by files (docs/performance.md)
    #[arg(long, num_args = 1.., value_name = "FILE")]
    rival: Vec<PathBuf>,
    /// Writes the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Which databases are measured.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Databases {
    Sqlite,
    Postgres,
    Both,
}

/// Runs the scenarios and prints a table. Whether there was anything to run.
pub fn run(arguments: &Arguments) -> Result<bool> {
    // One thread is cheaper than several, and leaves more of the machine to the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run_all(arguments))
}

async fn run_all(arguments: &Arguments) -> Result<bool> {
    let chosen: Vec<_> = ALL.iter().filter(|scenario| arguments.chooses(scenario.name)).collect();
    if arguments.list {
        for Scenario { name, about, .. } in chosen {
            crate::say(&format!("{name:18}{about}"));
        }
        return Ok(true);
    }
    rlimit::increase_nofile_limit(crate::scenarios::MOST_SOCKETS + OTHER_FILES)?;
    let mut report = Report::of(&arguments.programs()?);
    for backend in arguments.backends() {
        measure_all(arguments, backend, &chosen, &mut report).await?;
    }
    for rival in &arguments.rival {
        for row in measure_rival(arguments, &Rival::read(rival)?, &chosen).await? {
            report.rows.push(row);
        }
    }
    if let Some(file) = &arguments.json {
        report.write(file)?;
    }
    Ok(!chosen.is_empty())
}

/// All scenarios on one database.
async fn measure_all(
    arguments: &Arguments,
    backend: Backend,
    chosen: &[&'static Scenario],
    report: &mut Report,
) -> Result {
    let parts: Vec<Part> = chosen.iter().flat_map(|scenario| scenario.needs).copied().collect();
    let (programs, folder) = (arguments.programs()?, arguments.folder()?);
    let place = Place { folder: &folder, postgres: arguments.postgres.as_deref() };
    let size = arguments.size();
    let bar = ProgressBar::new(chosen.len() as u64).with_style(style()?);
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut sites = Vec::new();
    for program in &programs {
        bar.set_message(format!("{}: filling the database", backend.name()));
        sites.push(Site::open(backend, program, &place, size.clone(), &parts).await?);
    }
    if let Some(version) = sites[0].postgres_version().await? {
        report.machine.insert("PostgreSQL".to_owned(), version);
    }
    for scenario in chosen {
        bar.set_message(format!("{}: {}", backend.name(), scenario.name));
        let found = by_turns(scenario, &mut sites, arguments).await?;
        bar.suspend(|| found.iter().for_each(Row::say));
        report.rows.extend(found);
        bar.inc(1);
    }
    bar.finish_and_clear();
    for site in sites {
        site.close(&place).await?;
    }
    Ok(())
}

/// What another product does of the same.
async fn measure_rival(
    arguments: &Arguments,
    rival: &Rival,
    chosen: &[&'static Scenario],
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for scenario in chosen {
        let Some(connections) = scenario.connections() else { continue };
        let mut rounds = Vec::new();
        for _ in 0..arguments.rounds() {
            rounds.extend(rival.measure(scenario.name, arguments.pace(), connections).await?);
        }
        if !rounds.is_empty() {
            let row = Row {
                name: scenario.name.to_owned(),
                about: scenario.about.to_owned(),
                database: rival.name.clone(),
                figures: Figures::median(&rounds),
                against: None,
            };
            row.say();
            rows.push(row);
        }
    }
    Ok(rows)
}

/// One scenario, in several rounds, in each of which each site has its turn.
async fn by_turns(
    scenario: &Scenario,
    sites: &mut [Site],
    arguments: &Arguments,
) -> Result<Vec<Row>> {
    let rounds = if scenario.once() { 1 } else { arguments.rounds() };
    // By row, then by site.
    let mut found: Vec<(String, Vec<Vec<Figures>>)> = Vec::new();
    for round in 0..rounds {
        for number in 0..sites.len() {
            // Who begins changes, so that a machine that gets slower or warmer favours nobody.
            let number = (number + round) % sites.len();
            settle(&sites[number]).await?;
            let name = scenario.name;
            let rows = scenario.run(&mut sites[number], arguments.pace()).await;
            for (place, (name, figures)) in
                rows.map_err(|error| format!("{name}: {error}"))?.into_iter().enumerate()
            {
                if found.len() <= place {
                    found.push((name, vec![Vec::new(); sites.len()]));
                }
                found[place].1[number].push(figures);
            }
        }
    }
    let backend = sites[0].backend;
    Ok(found
        .into_iter()
        .map(|(name, by_site)| {
            let mut medians = by_site.iter().map(|rounds| Figures::median(rounds));
            Row {
                name,
                about: scenario.about.to_owned(),
                database: backend.name().to_owned(),
                figures: medians.next().unwrap_or_default(),
                against: medians.next(),
            }
        })
        .collect())
}

/// Waits until the server does nothing, such as telling others who is offline now.
async fn settle(site: &Site) -> Result {
    let until = Instant::now() + SETTLING;
    let wait = Duration::from_millis(300);
    let used = || Ok::<_, crate::Error>(site.server()?.cpu()? + site.database_cpu()?);
    loop {
        let before = used()?;
        sleep(wait).await;
        // A process of PostgreSQL that ends takes up to a hundredth of a second with it.
        if used()?.saturating_sub(before) < wait / 20 || Instant::now() > until {
            return Ok(());
        }
    }
}

fn style() -> Result<ProgressStyle> {
    Ok(ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}")?)
}

impl Arguments {
    fn chooses(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| name.starts_with(start.as_str()))
    }

    fn size(&self) -> Size {
        let size = if self.quick { Size::QUICK } else { Size::FULL };
        Size { history: self.history.unwrap_or(size.history), ..size }
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    fn pace(&self) -> Pace {
        let seconds = self.seconds.unwrap_or(if self.quick { 1.0 } else { 3.0 });
        let measured = Duration::from_secs_f64(seconds);
        Pace { warm_up: measured / 4, measured }
    }

    fn backends(&self) -> Vec<Backend> {
        match self.database {
            Databases::Sqlite => vec![Backend::Sqlite],
            Databases::Postgres => vec![Backend::Postgres],
            Databases::Both => vec![Backend::Sqlite, Backend::Postgres],
        }
    }

    /// The program to measure, and what it is compared with.
    fn programs(&self) -> Result<Vec<PathBuf>> {
        let own = self.server.clone().map_or_else(server::beside_us, Ok)?;
        let all = [Some(own), self.against.clone()].into_iter().flatten();
        all.map(|program| Ok(std::path::absolute(program)?)).collect()
    }

    fn folder(&self) -> Result<PathBuf> {
        let folder = match &self.data {
            Some(folder) => std::path::absolute(folder)?,
            None => std::env::current_exe()?.parent().unwrap_or(Path::new(".")).to_owned(),
        };
        fs::create_dir_all(&folder)?;
        if statfs(&folder)?.filesystem_type() == TMPFS_MAGIC {
            crate::warn("the data is in memory, not on a disk: commits cost less than in reality");
        }
        Ok(folder)
    }
}
