//! Reading settings one by one. Each is declared with its default and meaning where it is read, so the
//! example file and the errors come from the same place.

use std::str::FromStr;
use std::time::Duration;

use crate::domain::text::quoted;

use super::secrets::secret;
use super::variables::{SettingsError, Variables};

/// A setting, as the example file shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// Its default, as text.
    pub default: &'static str,
    /// What it does, in a sentence or two.
    pub meaning: &'static str,
    /// Whether its value may hold a secret, and may be in a file.
    pub is_secret: bool,
}

/// Reads settings from the variables, and collects errors.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    variables: &'a Variables,
    settings: Vec<Setting>,
    errors: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(variables: &'a Variables) -> Self {
        Self { variables, settings: Vec::new(), errors: Vec::new() }
    }

    /// Reads a setting. An empty value counts as not set. After an error the default is used, so that
    /// reading goes on and finds the other errors.
    pub(super) fn get<T>(
        &mut self,
        name: &'static str,
        default: &'static str,
        meaning: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.settings.push(Setting { name, default, meaning, is_secret: false });
        let given = self.variables.get(name).map(|value| value.trim()).filter(|v| !v.is_empty());
        self.parse(name, default, given, parse)
    }

    /// As [`Reader::get`], for a setting that may hold a secret.
    pub(super) fn secret<T>(
        &mut self,
        name: &'static str,
        default: &'static str,
        meaning: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.settings.push(Setting { name, default, meaning, is_secret: true });
        let given = self.other_secret(name);
        self.parse(name, default, given.as_deref().map(str::trim), parse)
    }

    fn parse<T>(
        &mut self,
        name: &'static str,
        default: &'static str,
        given: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        if let Some(value) = given {
            match parse(value) {
                Ok(value) => return value,
                Err(error) => self.error(name, &error),
            }
        }
        #[expect(clippy::expect_used, reason = "a test reads every default")]
        parse(default).expect("a setting's default is valid")
    }

    /// A variable that is not a setting of ours, and so has no default and meaning here.
    pub(super) fn other(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// As [`Reader::other`], for a secret.
    pub(super) fn other_secret(&mut self, name: &str) -> Option<String> {
        secret(self.variables, name).unwrap_or_else(|error| {
            self.errors.push(error);
            None
        })
    }

    pub(super) fn error(&mut self, name: &str, error: &str) {
        self.errors.push(format!("{name} {error}"));
    }

    pub(super) fn settings(self) -> Vec<Setting> {
        self.settings
    }

    pub(super) fn finish(self) -> Result<(), SettingsError> {
        if self.errors.is_empty() { Ok(()) } else { Err(SettingsError(self.errors)) }
    }
}

/// `true`, `yes`, `on`, `1` and their opposites, as `django-environ` reads them.
pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("must be true or false, not {}", quoted(value))),
    }
}

/// Seconds, or a number with `s`, `m`, `h` or `d`. Not zero.
pub(super) fn time(value: &str) -> Result<Duration, String> {
    let error =
        || format!("must be a duration such as 90, 90s, 15m, 12h or 30d, not {}", quoted(value));
    let (digits, unit) = match value.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, &value[digits.len()..]),
        None => (value, "s"),
    };
    let seconds_a_unit = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 1,
    };
    let number: u64 = digits.parse().map_err(|_| error())?;
    // At most a hundred years, so that no sum with a time overflows.
    let seconds = number.checked_mul(seconds_a_unit).filter(|s| (1..=3_155_760_000).contains(s));
    seconds.map(Duration::from_secs).ok_or_else(error)
}

/// As [`time()`], or zero.
pub(super) fn time_or_zero(value: &str) -> Result<Duration, String> {
    match value {
        "0" | "0s" | "0m" | "0h" | "0d" => Ok(Duration::ZERO),
        _ => time(value),
    }
}

/// A whole number in a range.
pub(super) fn number<T>(value: &str, min: T, max: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    value
        .parse()
        .ok()
        .filter(|number| *number >= min && *number <= max)
        .ok_or_else(|| format!("must be a whole number from {min} to {max}, not {}", quoted(value)))
}

/// Errors of a list that are reported.
const LISTED_MAX: usize = 10;

/// Comma-separated items; spaces around them are ignored. Reports the errors of the first items.
pub(super) fn list<T>(
    value: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match parse(item) {
            Ok(item) => items.push(item),
            Err(error) if errors.len() < LISTED_MAX => errors.push(error),
            Err(_) => {}
        }
    }
    if errors.is_empty() { Ok(items) } else { Err(errors.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000)]
        {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "0", "-1", "1.5h", "m", "5w", "99999999999999999999", "99999999d"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
