//! The overview: how many there are of what, what runs, and how busy the site was in the last day.

use std::fmt::Write;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;

use crate::actions::figures::{self, Figure, Overview};
use crate::app::App;

use super::errors::Result;
use super::filters;
use super::forms::FormData;
use super::pages::{NavSection, PageFrame, render};
use super::plots::{Folded, Plot};
use super::visit::Visit;

/// Browsers load the page again after so many seconds, unless the address says otherwise: scripts could, but there are none.
const REFRESH: HeaderName = HeaderName::from_static("refresh");
const SECONDS: &str = "60";

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage<'a> {
    frame: PageFrame,
    version: &'static str,
    refreshes: bool,
    own_node: &'a str,
    figures: Vec<(&'static str, String)>,
    overview: Overview,
    plots: Vec<Plot>,
    has_estimates: bool,
}

/// `GET /admin/`
pub(super) async fn page(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let overview = figures::overview(&app, &visit.caller).await?;
    let refreshes = FormData::parse(visit.query.as_bytes()).text("refresh") != "off";
    let counted = [overview.users, overview.active, overview.chats, overview.messages];
    let page = OverviewPage {
        frame: visit.frame("Overview", NavSection::Overview),
        version: env!("CARGO_PKG_VERSION"),
        refreshes,
        own_node: &app.nodes.name,
        figures: shown(&overview),
        plots: plots(&overview),
        has_estimates: counted.iter().any(|figure| !matches!(figure, Figure::Exact(_))),
        overview,
    };
    let mut response = render(&page)?;
    if refreshes {
        response.headers_mut().insert(REFRESH, HeaderValue::from_static(SECONDS));
    }
    Ok(response)
}

fn shown(overview: &Overview) -> Vec<(&'static str, String)> {
    let sockets: i64 = overview.nodes.iter().map(|node| node.sockets).sum();
    let bus = match overview.bus {
        None => "not configured",
        Some(true) => "connected",
        Some(false) => "disconnected",
    };
    vec![
        ("People", figure(overview.users)),
        ("Active in the last day", figure(overview.active)),
        ("Online now", number(overview.online)),
        ("Chats", figure(overview.chats)),
        ("Messages", figure(overview.messages)),
        ("Sockets", number(sockets)),
        ("Nodes", number(i64::try_from(overview.nodes.len()).unwrap_or_default())),
        ("Bus", bus.to_owned()),
    ]
}

fn plots(overview: &Overview) -> Vec<Plot> {
    let values = |of: fn(&crate::actions::figures::Counts) -> i64| {
        overview.steps.iter().map(|(at, counts)| (*at, of(counts))).collect::<Vec<_>>()
    };
    vec![
        Plot::new("messages", "Messages", Folded::Sum, &values(|counts| counts.messages)),
        Plot::new("logins", "Logins", Folded::Sum, &values(|counts| counts.logins)),
        Plot::new("sockets", "Sockets", Folded::Most, &values(|counts| counts.sockets)),
        Plot::new("errors", "Errors of the server", Folded::Sum, &values(|counts| counts.errors)),
    ]
}

fn figure(figure: Figure) -> String {
    match figure {
        Figure::Exact(value) => number(value),
        Figure::Counted(value, at) => {
            format!(
                "{}, counted at {} UTC",
                number(value),
                at.to_string().get(11..16).unwrap_or("")
            )
        }
        Figure::About(value) => format!("about {}", number(value)),
        Figure::Unknown => "not counted yet".to_owned(),
    }
}

/// A number with its thousands apart.
fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = if value < 0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl OverviewPage<'_> {
    /// The size of the database in the unit that fits.
    fn size(&self) -> String {
        let mut size = self.overview.size as f64;
        for unit in ["bytes", "KiB", "MiB", "GiB"] {
            if size < 1024.0 {
                let digits = if unit == "bytes" { 0 } else { 1 };
                return format!("{size:.digits$} {unit}");
            }
            size /= 1024.0;
        }
        format!("{size:.1} TiB")
    }

    fn latency(&self) -> String {
        format!("{:.2} ms", self.overview.latency.as_secs_f64() * 1_000.0)
    }

    fn migrations(&self) -> String {
        let (count, last) = &self.overview.migrations;
        let mut text = format!("{count} applied, last {last}");
        if let Some(trouble) = self.overview.trouble() {
            // A String takes everything.
            let _ = write!(text, "; {trouble}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn thousands_are_apart() {
        let numbers = [0, 7, 999, 1_000, 12_345_678, -1_000].map(number);
        assert_eq!(numbers, ["0", "7", "999", "1,000", "12,345,678", "-1,000"]);
    }
}
