//! `page`: writes the generated parts of docs/performance.md and its plots from the figures of a run. The
//! text around them is written by people.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::figures::Figures;
use crate::plot::{Mark, Plot};
use crate::report::{Report, Row};
use crate::{Result, say};

/// The command-line options.
#[derive(clap::Args)]
pub struct Arguments {
    /// The figures, as `run --json` writes them
    figures: PathBuf,
    /// The page
    #[arg(long, default_value = "docs/performance.md")]
    page: PathBuf,
    /// The folder of the plots
    #[arg(long, default_value = "docs/performance")]
    plots: PathBuf,
}

/// What a row of a table shows: the figures of each database.
struct Line<'a> {
    about: &'a str,
    by_database: [Option<&'a Figures>; 2],
}

impl Line<'_> {
    fn is_timed(&self) -> bool {
        self.by_database.iter().flatten().any(|figures| figures.p50.is_some())
    }
}

const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// Writes everything.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let report: Report = serde_json::from_str(&fs::read_to_string(&arguments.figures)?)?;
    let own = |row: &&Row| DATABASES.contains(&row.database.as_str());
    let lines = lines(report.rows.iter().filter(own));
    let is_floor = |line: &(&str, Line<'_>)| line.0.starts_with("floor-");
    let (floors, all): (Vec<_>, Vec<_>) = lines.iter().partition(|line| is_floor(line));
    // What was not timed, such as memory, is in the table of other figures only.
    let work: Vec<_> = all.iter().copied().filter(|(_, line)| line.is_timed()).collect();
    let mut page = fs::read_to_string(&arguments.page)?;
    replace(&mut page, "machine", &machine(&report))?;
    replace(&mut page, "work", &table(&work))?;
    replace(&mut page, "plots", &images(&arguments.page, &arguments.plots)?)?;
    replace(&mut page, "floors", &table(&floors))?;
    replace(&mut page, "others", &others(&all))?;
    replace(&mut page, "rivals", &rivals(&report.rows))?;
    fs::write(&arguments.page, page)?;
    fs::create_dir_all(&arguments.plots)?;
    plots(&work, &arguments.plots)?;
    say(&format!("written: {} and {}", arguments.page.display(), arguments.plots.display()));
    Ok(true)
}

/// A line for each kind of work, in the order of the run.
fn lines<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<(&'a str, Line<'a>)> {
    let mut lines: Vec<(&str, Line<'_>)> = Vec::new();
    for row in rows {
        let place = lines.iter().position(|(name, _)| *name == row.name).unwrap_or_else(|| {
            lines.push((&row.name, Line { about: &row.about, by_database: [None; 2] }));
            lines.len() - 1
        });
        for (database, figures) in DATABASES.iter().zip(&mut lines[place].1.by_database) {
            if row.database == *database {
                *figures = Some(&row.figures);
            }
        }
    }
    lines
}

/// Replaces what is between the markers of this name.
fn replace(page: &mut String, name: &str, text: &str) -> Result {
    let (start, end) = (format!("<!-- figures: {name} -->\n"), "<!-- end of figures -->");
    let from = page.find(&start).ok_or_else(|| format!("no {start}"))? + start.len();
    let to = from + page[from..].find(end).ok_or_else(|| format!("no end of {name}"))?;
    page.replace_range(from..to, text);
    Ok(())
}

/// The plots, as the page shows them.
fn images(page: &Path, plots: &Path) -> Result<String> {
    let folder = page.parent().ok_or("a page without a folder")?;
    let plots = plots.strip_prefix(folder)?.display();
    Ok(format!(
        "![CPU time of one operation]({plots}/cpu.svg)\n\n![Latency, p50 to p99]({plots}/latency.svg)\n"
    ))
}

fn machine(report: &Report) -> String {
    let facts = report.machine.iter().map(|(name, value)| format!("{name} {value}"));
    format!("{}.\n", facts.collect::<Vec<_>>().join("; "))
}

fn table(lines: &[&(&str, Line<'_>)]) -> String {
    let head = "| row | one operation is | SQLite: /s | p50 / p99 ms | CPU µs | PostgreSQL: /s | p50 / p99 ms | CPU µs, + database | peak MiB |\n\
                | --- | --- | --: | --: | --: | --: | --: | --: | --: |\n";
    let line = |(name, line): &&(&str, Line<'_>)| {
        let [sqlite, postgres] = line.by_database;
        let peak = |of: Option<&Figures>| of.map_or_else(dash, |of| number(of.peak_mib));
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {}, {} |\n",
            line.about,
            rate(sqlite),
            times(sqlite),
            sqlite.map_or_else(dash, |of| number(of.server_us)),
            rate(postgres),
            times(postgres),
            postgres.map_or_else(dash, |of| {
                format!("{} + {}", number(of.server_us), number(of.database_us))
            }),
            peak(sqlite),
            peak(postgres),
        )
    };
    head.to_owned() + &lines.iter().map(line).collect::<String>()
}

/// Figures of other kinds, such as memory.
fn others(lines: &[&(&str, Line<'_>)]) -> String {
    let mut found: BTreeMap<(&str, &str), [Option<f64>; 2]> = BTreeMap::new();
    for (name, line) in lines {
        for (number, figures) in line.by_database.iter().enumerate() {
            for (other, value) in figures.iter().flat_map(|figures| &figures.others) {
                found.entry((name, other)).or_default()[number] = Some(*value);
            }
        }
    }
    let mut table =
        "| row | figure | SQLite | PostgreSQL |\n| --- | --- | --: | --: |\n".to_owned();
    for ((name, other), values) in found {
        let [sqlite, postgres] = values.map(|value| value.map_or_else(dash, number));
        table += &format!("| {name} | {other} | {sqlite} | {postgres} |\n");
    }
    table
}

/// Other products that were measured in the same run.
fn rivals(rows: &[Row]) -> String {
    let is_rival = |row: &&Row| !DATABASES.contains(&row.database.as_str());
    let line = |row: &Row| {
        let figures = &row.figures;
        let (rate, times) = (number(figures.rate), times(Some(figures)));
        format!(
            "| {} | {} | {rate} | {times} | {} |\n",
            row.name,
            row.database,
            number(figures.server_us)
        )
    };
    let lines: String = rows.iter().filter(is_rival).map(line).collect();
    match lines.is_empty() {
        true => "None in the last run.\n".to_owned(),
        false => format!(
            "| row | product | /s | p50 / p99 ms | CPU µs |\n| --- | --- | --: | --: | --: |\n{lines}"
        ),
    }
}

fn plots(lines: &[&(&str, Line<'_>)], folder: &Path) -> Result {
    let cpu = |figures: &Figures| {
        let all = figures.server_us + figures.database_us;
        (all > 0.0).then_some(Mark { from: all, to: all })
    };
    let latency = |figures: &Figures| Some(Mark { from: figures.p50?, to: figures.p99? });
    write(lines, cpu, "CPU time of one operation, database included, µs", &folder.join("cpu.svg"))?;
    write(lines, latency, "Latency, p50 to p99, ms", &folder.join("latency.svg"))
}

fn write(
    lines: &[&(&str, Line<'_>)],
    mark: impl Fn(&Figures) -> Option<Mark>,
    title: &str,
    file: &Path,
) -> Result {
    let mut plot = Plot::new(title);
    for (name, line) in lines {
        let marks = line.by_database.map(|figures| figures.and_then(&mark));
        if marks.iter().any(Option::is_some) {
            plot.add(name, marks);
        }
    }
    plot.write(file)
}

fn rate(figures: Option<&Figures>) -> String {
    figures.map_or_else(dash, |figures| number(figures.rate))
}

fn times(figures: Option<&Figures>) -> String {
    let times = figures.and_then(|figures| figures.p50.zip(figures.p99));
    times.map_or_else(dash, |(p50, p99)| format!("{} / {}", number(p50), number(p99)))
}

/// With three significant digits or none after the point.
fn number(value: f64) -> String {
    match value {
        ..0.995 => format!("{value:.2}"),
        ..9.95 => format!("{value:.1}"),
        _ => thousands(value.round() as u64),
    }
}

fn thousands(value: u64) -> String {
    match value {
        0..1_000 => value.to_string(),
        _ => format!("{},{:03}", thousands(value / 1_000), value % 1_000),
    }
}

fn dash() -> String {
    "–".to_owned()
}
