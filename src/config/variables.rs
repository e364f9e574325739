//! Where settings come from: environment variables, and an `.env` file for those that are not set.
//! What they mean is read elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// The file, in the working directory.
const ENV_FILE: &str = ".env";
/// Stands for a `$` while dotenvy parses a line. No text contains this noncharacter.
const DOLLAR: char = '\u{FFFF}';

/// What is wrong with the settings: one line per error.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(pub Vec<String>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for SettingsError {}

/// The environment, over the `.env` file of the working directory.
pub fn environment() -> Result<Variables, SettingsError> {
    let mut variables = env_file()?;
    variables.extend(process_environment());
    Ok(variables)
}

/// The environment variables of this process.
pub fn process_environment() -> Variables {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = std::env::vars_os();
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    environment.filter_map(text).collect()
}

/// The variables of the `.env` file; none if there is no file.
pub fn env_file() -> Result<Variables, SettingsError> {
    match fs::read_to_string(ENV_FILE) {
        Ok(text) => parse(text.trim_start_matches('\u{FEFF}'))
            .map_err(|error| SettingsError(vec![format!(".env: {error}")])),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Variables::new()),
        Err(error) => Err(SettingsError(vec![format!(".env: {error}")])),
    }
}

/// Parses an `.env` file. A `$` is an ordinary character: dotenvy would replace it and the letters after
/// it, and so change a generated password. A `${NAME}` outside single quotes is an error, since its
/// author expects it to be replaced.
fn parse(text: &str) -> Result<Variables, String> {
    let hidden = hide_dollars(text);
    let literal = dotenvy::from_read_iter(hidden.as_bytes());
    let substituted = dotenvy::from_read_iter(text.as_bytes());
    let mut variables = Variables::new();
    let mut last = None;
    for (line, substituted) in literal.zip(substituted) {
        let (name, value) = line.map_err(|error| describe(&error, last.as_deref()))?;
        let value = value.replace(DOLLAR, "$");
        if value.contains("${") && substituted.is_ok_and(|(_, other)| other != value) {
            return Err(format!(
                "{name} contains ${{…}}, but variables are not substituted here: write the value \
                 itself, or put it in single quotes"
            ));
        }
        last = Some(name.clone());
        variables.insert(name, value);
    }
    Ok(variables)
}

/// The text with [`DOLLAR`] for each `$` that no backslash escapes.
fn hide_dollars(text: &str) -> String {
    let mut escaped = false;
    let hide = |c| {
        let shown = if c == '$' && !escaped { DOLLAR } else { c };
        escaped = c == '\\' && !escaped;
        shown
    };
    text.chars().map(hide).collect()
}

/// What is wrong with the `.env` file, after the setting `last`. Never quotes the line: it may hold a
/// secret.
fn describe(error: &dotenvy::Error, last: Option<&str>) -> String {
    let at =
        last.map_or("the first setting".to_owned(), |last| format!("the setting after {last}"));
    match error {
        dotenvy::Error::LineParse(..) => format!(
            "{at} is not NAME=value, lacks a quote, or has a space or backslash without single quotes"
        ),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Result<String, String> {
        parse(line).map(|variables| variables["A"].clone())
    }

    #[test]
    fn a_dollar_is_an_ordinary_character() {
        for (line, expected) in [
            ("A=pa$word$HOME$", "pa$word$HOME$"),
            ("A=\"pa$word $HOME\"", "pa$word $HOME"),
            ("A='pa$word ${HOME} \\$x'", "pa$word ${HOME} \\$x"),
            ("A=pa\\$word", "pa$word"),
            ("A=\"\\\\$HOME\" # $HOME", "\\$HOME"),
            ("export A=$$ab${", "$$ab${"),
        ] {
            assert_eq!(value(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn a_substitution_is_refused_by_name() {
        for line in ["B=1\nA=x${HOME}/y", "A=\"${HOME}\""] {
            let error = value(line).expect_err(line);
            assert!(error.contains("A contains") && error.contains("single quotes"), "{error}");
        }
    }
}
