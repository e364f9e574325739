//! Where settings come from: environment variables, and an `.env` file for those that are not set.
//! What they mean is read elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

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
    let mut variables = Variables::new();
    match dotenvy::from_path_iter(Path::new(".env")) {
        Ok(lines) => {
            let mut last = None;
            for line in lines {
                let (name, value) = line.map_err(|error| describe(&error, last.as_deref()))?;
                last = Some(name.clone());
                variables.insert(name, value);
            }
        }
        Err(error) if error.not_found() => {}
        Err(error) => return Err(describe(&error, None)),
    }
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = std::env::vars_os();
    variables.extend(
        environment.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }),
    );
    Ok(variables)
}

/// What is wrong with the `.env` file, after the setting `last`. Never quotes the line: it may hold a
/// secret.
fn describe(error: &dotenvy::Error, last: Option<&str>) -> SettingsError {
    SettingsError(vec![match (error, last) {
        (dotenvy::Error::LineParse(..), Some(last)) => {
            format!(".env: the setting after {last} is not NAME=value, or lacks a quote")
        }
        (dotenvy::Error::LineParse(..), None) => {
            ".env: the first setting is not NAME=value, or lacks a quote".to_owned()
        }
        (error, _) => format!(".env: {error}"),
    }])
}
