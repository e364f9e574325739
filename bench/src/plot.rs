//! A plot as SVG: a row for each name, with a mark for each of two series on a logarithmic axis. Readable on
//! a light and on a dark page.

use std::path::Path;

use svg::Document;
use svg::node::element::{Circle, Line, Style, Text};

use crate::Result;

const SERIES: [&str; 2] = ["SQLite", "PostgreSQL"];
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #1f2328 } \
                     line { stroke: #d0d7de } \
                     .s0 { stroke: #0969da; fill: #0969da } .s1 { stroke: #bc4c00; fill: #bc4c00 } \
                     line.s0, line.s1 { stroke-width: 3 } \
                     @media (prefers-color-scheme: dark) { \
                     text { fill: #e6edf3 } line { stroke: #3d444d } \
                     .s0 { stroke: #58a6ff; fill: #58a6ff } .s1 { stroke: #f0883e; fill: #f0883e } }";
const WIDTH: f64 = 860.0;
/// Where the axis starts, after the names.
const LEFT: f64 = 150.0;
const RIGHT: f64 = 32.0;
const TOP: f64 = 64.0;
const ROW: f64 = 24.0;

/// A value, or a range of values.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub from: f64,
    pub to: f64,
}

/// The rows so far.
pub struct Plot<'a> {
    title: &'a str,
    rows: Vec<(&'a str, [Option<Mark>; 2])>,
}

impl<'a> Plot<'a> {
    pub fn new(title: &'a str) -> Self {
        Self { title, rows: Vec::new() }
    }

    pub fn add(&mut self, name: &'a str, marks: [Option<Mark>; 2]) {
        self.rows.push((name, marks));
    }

    pub fn write(&self, file: &Path) -> Result {
        let marks = || self.rows.iter().flat_map(|(_, marks)| marks.iter().flatten());
        let least = marks().map(|mark| mark.from).fold(f64::MAX, f64::min).max(1e-4);
        let most = marks().map(|mark| mark.to).fold(least, f64::max);
        let axis = Axis { from: least.log10().floor(), to: most.log10().ceil() };
        let height = TOP + ROW * self.rows.len() as f64 + 12.0;
        let mut document = Document::new()
            .set("viewBox", (0, 0, WIDTH as i32, height as i32))
            .set("role", "img")
            .set("aria-label", self.title)
            .add(Style::new(STYLE))
            .add(text(self.title, 4.0, 18.0, "start").set("font-weight", "bold"));
        for (number, name) in SERIES.iter().enumerate() {
            let x = WIDTH - RIGHT - 180.0 + 80.0 * number as f64;
            document = document.add(dot(number, x, 14.0)).add(text(name, x + 8.0, 18.0, "start"));
        }
        for power in axis.from as i32..=axis.to as i32 {
            let value = 10_f64.powi(power);
            let x = axis.place(value);
            let grid = line(x, TOP - 14.0, x, height - 8.0);
            document = document.add(grid).add(text(&format!("{value}"), x, TOP - 20.0, "middle"));
        }
        for (number, (name, marks)) in self.rows.iter().enumerate() {
            let y = TOP + ROW * number as f64;
            document = document.add(text(name, LEFT - 10.0, y + 8.0, "end"));
            for (series, mark) in marks.iter().enumerate() {
                let Some(mark) = mark else { continue };
                let y = y + 9.0 * series as f64;
                let (from, to) = (axis.place(mark.from.max(least)), axis.place(mark.to));
                document = document
                    .add(line(from, y, to, y).set("class", format!("s{series}")))
                    .add(dot(series, from, y));
            }
        }
        Ok(svg::save(file, &document)?)
    }
}

/// Powers of ten from the left to the right.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        LEFT + (value.log10() - self.from) / (self.to - self.from) * (WIDTH - LEFT - RIGHT)
    }
}

fn text(content: &str, x: f64, y: f64, anchor: &str) -> Text {
    Text::new(content).set("x", round(x)).set("y", round(y)).set("text-anchor", anchor)
}

fn line(x1: f64, y1: f64, x2: f64, y2: f64) -> Line {
    Line::new().set("x1", round(x1)).set("y1", round(y1)).set("x2", round(x2)).set("y2", round(y2))
}

fn dot(series: usize, x: f64, y: f64) -> Circle {
    Circle::new()
        .set("cx", round(x))
        .set("cy", round(y))
        .set("r", 4)
        .set("class", format!("s{series}"))
}

/// A tenth of a pixel is enough.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
