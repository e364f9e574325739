//! Figures as people and programs read them: a line for each row, with ratios where two programs were
//! compared, and JSON.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::figures::Figures;
use crate::{Result, machine, say};

/// What was measured of one kind of work.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What one operation is.
    pub about: String,
    /// The database, or `floor`.
    pub database: String,
    /// What was found.
    pub figures: Figures,
    /// The same of the program that it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Figures>,
}

/// Everything that one run found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The programs: first what was measured, then what it was compared with.
    pub programs: Vec<PathBuf>,
    /// Facts about the machine, by name.
    pub machine: BTreeMap<String, String>,
    pub rows: Vec<Row>,
}

impl Report {
    pub fn of(programs: &[PathBuf]) -> Self {
        say(&heading());
        let machine = programs.first().map(|program| machine::facts(program)).unwrap_or_default();
        Self { programs: programs.to_vec(), machine, rows: Vec::new() }
    }

    pub fn write(&self, file: &Path) -> Result {
        Ok(fs::write(file, serde_json::to_string_pretty(self)? + "\n")?)
    }
}

fn heading() -> String {
    format!(
        "{:24}{:>10}{:>10}{:>10}{:>12}{:>12}{:>10}{:>11}",
        "row", "ops/s", "p50 ms", "p99 ms", "server µs", "database µs", "peak MiB", "generator"
    )
}

impl Row {
    /// Prints it.
    pub fn say(&self) {
        let name = format!("{} {}", self.database, self.name);
        say(&line(&name, &self.figures));
        for (name, value) in &self.figures.others {
            let before = self.against.as_ref().and_then(|against| against.others.get(name));
            let compared =
                before.map_or_else(String::new, |before| format!(", before {before:.2}"));
            say(&format!("    {name}: {value:.2}{compared}"));
        }
        if let Some(against) = &self.against {
            say(&line("  against", against));
            say(&ratios(&self.figures, against));
        }
    }
}

fn line(name: &str, figures: &Figures) -> String {
    let time = |time: Option<f64>| time.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.2}"));
    format!(
        "{name:24}{:>10.0}{:>10}{:>10}{:>12.1}{:>12.1}{:>10.0}{:>11.2}",
        figures.rate,
        time(figures.p50),
        time(figures.p99),
        figures.server_us,
        figures.database_us,
        figures.peak_mib,
        figures.generator_cores,
    )
}

/// Each figure as a part of what it was before.
fn ratios(now: &Figures, before: &Figures) -> String {
    let ratio = |now: f64, before: f64| match before > 0.0 {
        true => format!("x{:.2}", now / before),
        false => "–".to_owned(),
    };
    let time = |now: Option<f64>, before: Option<f64>| {
        ratio(now.unwrap_or_default(), before.unwrap_or_default())
    };
    format!(
        "{:24}{:>10}{:>10}{:>10}{:>12}{:>12}{:>10}   CPU in all {}",
        "  ratio",
        ratio(now.rate, before.rate),
        time(now.p50, before.p50),
        time(now.p99, before.p99),
        ratio(now.server_us, before.server_us),
        ratio(now.database_us, before.database_us),
        ratio(now.peak_mib, before.peak_mib),
        ratio(now.server_us + now.database_us, before.server_us + before.database_us),
    )
}
