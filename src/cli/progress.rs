//! Shows how far a long command has come: a bar on a terminal, and a plain line for each step that is done.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::actions::transfer::TransferStep;

use super::context::say;

/// Characters of a full bar.
const WIDTH: u64 = 30;
/// Pause between two drawings.
const PAUSE: Duration = Duration::from_millis(100);

/// The steps of a command.
pub(super) struct ProgressBar {
    is_terminal: bool,
    drawn: Option<Instant>,
    /// The step that was done last.
    done: String,
}

impl ProgressBar {
    pub(super) fn new() -> Self {
        Self { is_terminal: stderr().is_terminal(), drawn: None, done: String::new() }
    }

    /// Shows a step.
    pub(super) fn show(&mut self, step: TransferStep<'_>) {
        let TransferStep { name, done, total } = step;
        if done < total {
            self.draw(&bar(step));
        } else if self.done != name {
            self.done = name.to_owned();
            self.clear();
            say(&format!("  {name:<16} {:>15}", grouped(total)));
        }
    }

    fn draw(&mut self, line: &str) {
        if self.is_terminal && self.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE) {
            self.drawn = Some(Instant::now());
            // A terminal that is gone is no failure.
            write!(stderr(), "\r\x1b[K{line}").ok();
        }
    }

    /// Removes the bar, before something else is printed.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            write!(stderr(), "\r\x1b[K").ok();
        }
    }
}

impl Drop for ProgressBar {
    /// An error follows on a line of its own.
    fn drop(&mut self) {
        self.clear();
    }
}

fn bar(TransferStep { name, done, total }: TransferStep<'_>) -> String {
    let of = |whole: u64| u128::from(done) * u128::from(whole) / u128::from(total.max(1));
    let full = usize::try_from(of(WIDTH)).unwrap_or_default();
    let bar = "#".repeat(full) + &"-".repeat((WIDTH as usize).saturating_sub(full));
    format!("  {name:<16} [{bar}] {:>3} %  {} of {}", of(100), grouped(done), grouped(total))
}

/// A number with its noun, which is given in the plural.
pub(super) fn counted(number: u64, nouns: &str) -> String {
    let noun = if number == 1 { nouns.trim_end_matches('s') } else { nouns };
    format!("{} {noun}", grouped(number))
}

/// A number with commas.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_the_share_and_the_numbers() {
        let at = |done, total| bar(TransferStep { name: "messages", done, total });
        let half = format!("[{}{}]  50 %  500 of 1,000", "#".repeat(15), "-".repeat(15));
        assert!(at(500, 1_000).ends_with(&half), "{}", at(500, 1_000));
        assert!(at(u64::MAX, u64::MAX).contains("100 %"));
        assert_eq!(at(0, 0).matches('-').count(), 30);
        assert_eq!([0, 12, 1_234, 1_000_000].map(grouped), ["0", "12", "1,234", "1,000,000"]);
    }
}
