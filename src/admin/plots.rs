//! Plots of a day, as SVG without styles, for the style sheet to colour. Each has its numbers as a table, too.

use crate::domain::time::Timestamp;

/// The size of the plotted area, in units of the drawing.
const WIDTH: usize = 480;
const HEIGHT: i64 = 100;
/// Steps in a row of the table: hours.
const STEPS_IN_ROW: usize = 4;

/// How values of several steps become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// Something that happened: the sum.
    Sum,
    /// Something that is: the most.
    Most,
}

/// A plot as the template shows it.
#[derive(Debug)]
pub(super) struct Plot {
    /// Distinguishes the plots of a page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it shows, in words.
    pub(super) description: String,
    /// The line.
    pub(super) line: String,
    /// The area below it.
    pub(super) area: String,
    /// The value at the top.
    pub(super) top: i64,
    /// The hours, with their values.
    pub(super) rows: Vec<(String, i64)>,
}

impl Plot {
    /// A plot of values in equal steps, given the beginning of each.
    pub(super) fn new(
        id: &'static str,
        title: &'static str,
        folded: Folded,
        values: &[(Timestamp, i64)],
    ) -> Self {
        let fold = |values: &[(Timestamp, i64)]| {
            let values = values.iter().map(|(_, value)| *value);
            match folded {
                Folded::Sum => values.sum(),
                Folded::Most => values.max().unwrap_or_default(),
            }
        };
        let top = round_up(values.iter().map(|(_, value)| *value).max().unwrap_or_default());
        let (last, all) = (values.last().map_or(0, |(_, value)| *value), fold(values));
        let description = match folded {
            Folded::Sum => format!("{all} in the last 24 hours, {last} in the newest 15 minutes."),
            Folded::Most => {
                format!("At most {all} in the last 24 hours, {last} in the newest 15 minutes.")
            }
        };
        let line = points(values, top);
        let area = format!("0,{HEIGHT} {line} {WIDTH},{HEIGHT}");
        let row = |hour: &[(Timestamp, i64)]| {
            let begins = hour.first().map_or_else(String::new, |(at, _)| at.to_string());
            (begins.get(..16).unwrap_or_default().replace('T', " "), fold(hour))
        };
        let rows = values.chunks(STEPS_IN_ROW).map(row).collect();
        Self { id, title, description, line, area, top, rows }
    }
}

fn points(values: &[(Timestamp, i64)], top: i64) -> String {
    let steps = values.len().saturating_sub(1).max(1);
    let point = |(index, (_, value)): (usize, &(Timestamp, i64))| {
        let y = HEIGHT as f64 - HEIGHT as f64 * *value as f64 / top as f64;
        format!("{:.1},{y:.1}", (index * WIDTH) as f64 / steps as f64)
    };
    values.iter().enumerate().map(point).collect::<Vec<_>>().join(" ")
}

/// The next of 1, 2, 5, 10, 20, …: the value at the top.
fn round_up(value: i64) -> i64 {
    let mut power: i64 = 1;
    loop {
        for factor in [1, 2, 5] {
            let top = power.saturating_mul(factor);
            if top >= value {
                return top;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[i64]) -> Vec<(Timestamp, i64)> {
        let at = |index: usize| Timestamp::from_micros(index as i64 * 900_000_000);
        values.iter().enumerate().map(|(index, value)| (at(index), *value)).collect()
    }

    #[test]
    fn a_plot_has_its_values_as_points_and_as_rows() {
        let plot = Plot::new("a", "A", Folded::Sum, &values(&[0, 1, 0, 3, 4]));
        assert_eq!(plot.top, 5);
        assert_eq!(plot.line, "0.0,100.0 120.0,80.0 240.0,100.0 360.0,40.0 480.0,20.0");
        assert!(plot.area.starts_with("0,100 0.0,") && plot.area.ends_with(" 480,100"));
        let row = |begins: &str, value| (begins.to_owned(), value);
        assert_eq!(plot.rows, [row("1970-01-01 00:00", 4), row("1970-01-01 01:00", 4)]);
        assert!(plot.description.starts_with("8 in"), "{}", plot.description);
        let most = Plot::new("a", "A", Folded::Most, &values(&[0, 1, 0, 3, 4]));
        assert_eq!(most.rows, [row("1970-01-01 00:00", 3), row("1970-01-01 01:00", 4)]);
    }

    #[test]
    fn any_value_has_a_top() {
        for (value, top) in [(0, 1), (1, 1), (3, 5), (99, 100), (101, 200), (i64::MAX, i64::MAX)] {
            assert_eq!(round_up(value), top);
        }
        assert_eq!(Plot::new("a", "A", Folded::Sum, &[]).line, "");
        let huge = Plot::new("a", "A", Folded::Most, &values(&[i64::MAX]));
        assert_eq!(huge.line, "0.0,0.0");
    }
}
