//! The settings: environment variables and an `.env` file, read once, with every fault named at
//! once. Nothing here opens, connects or creates anything.

pub mod bus;
pub mod database;
pub mod limits;
pub mod logging;
pub mod mail;
pub mod media;
mod reader;
pub mod server;
pub mod throttles;
pub mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use bus::Bus;
pub use database::{Database, DatabaseUrl};
pub use limits::Limits;
pub use logging::{LogFormat, Logging};
pub use mail::Mail;
pub use media::{Media, MediaPlace};
use reader::Reader;
pub use reader::Setting;
pub use server::Server;
pub use throttles::Throttles;
pub use tokens::{Ages, Tokens};

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// How it is reached.
    pub server: Server,
    /// Where its data is.
    pub database: Database,
    /// How it hears of other nodes.
    pub bus: Bus,
    /// Where pictures are.
    pub media: Media,
    /// Its secret, and what it signs.
    pub tokens: Tokens,
    /// How often what may be done.
    pub throttles: Throttles,
    /// How it sends mail.
    pub mail: Mail,
    /// How much of anything.
    pub limits: Limits,
    /// What it tells of itself.
    pub logging: Logging,
}

/// Settings that are planned: whoever gives one is told that nothing comes of it.
const NOT_YET: [&str; 2] = ["LOG_DIR", "METRICS_BIND"];

/// What is wrong with the settings: one line a fault.
#[derive(Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are not usable:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// The environment, and below it what an `.env` file in the working directory says.
pub fn environment() -> Result<Variables, Faults> {
    let mut variables = Variables::new();
    match dotenvy::from_path_iter(Path::new(".env")) {
        Ok(lines) => {
            let mut last = None;
            for line in lines {
                let (name, value) = line.map_err(|error| in_words(&error, last.as_deref()))?;
                last = Some(name.clone());
                variables.insert(name, value);
            }
        }
        Err(error) if error.not_found() => {}
        Err(error) => return Err(in_words(&error, None)),
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

/// What is wrong with the `.env` file, after the setting that was read last; never the line itself,
/// which may be a secret's.
fn in_words(error: &dotenvy::Error, last: Option<&str>) -> Faults {
    Faults(vec![match (error, last) {
        (dotenvy::Error::LineParse(..), Some(last)) => {
            format!(".env: the setting after {last} is not NAME=value, or lacks a quote")
        }
        (dotenvy::Error::LineParse(..), None) => {
            ".env: the first setting is not NAME=value, or lacks a quote".to_owned()
        }
        (error, _) => format!(".env: {error}"),
    }])
}

impl Config {
    /// Reads the settings.
    pub fn read(variables: &Variables) -> Result<Self, Faults> {
        let mut reader = Reader::new(variables);
        let config = Self::from_reader(&mut reader);
        if let (DatabaseUrl::Postgres(_), None) = (&config.database.url, &config.tokens.secret_key)
        {
            reader
                .fault("SECRET_KEY", "is required with PostgreSQL: every node needs the same one");
        }
        reader.finish()?;
        Ok(config)
    }

    /// Every setting with its default and meaning, in order.
    pub fn settings() -> Vec<Setting> {
        let variables = Variables::new();
        let mut reader = Reader::new(&variables);
        Self::from_reader(&mut reader);
        reader.settings()
    }

    /// Settings that are given and have no effect in this version.
    pub fn without_effect(variables: &Variables) -> Vec<&'static str> {
        let given = |name: &&str| variables.get(*name).is_some_and(|value| !value.is_empty());
        NOT_YET.into_iter().filter(given).collect()
    }

    fn from_reader(reader: &mut Reader<'_>) -> Self {
        Self {
            server: Server::read(reader),
            database: Database::read(reader),
            bus: Bus::read(reader),
            media: Media::read(reader),
            tokens: Tokens::read(reader),
            throttles: Throttles::read(reader),
            mail: Mail::read(reader),
            limits: Limits::read(reader),
            logging: Logging::read(reader),
        }
    }
}

/// An `.env` file with every setting at its default, commented out.
pub fn example() -> String {
    let mut text = String::from(
        "# Every setting of Meowsenger with its default. Copy this to .env and uncomment what you\n\
         # change; variables of the environment win over the file.\n\
         # Times are seconds, or 90s, 15m, 12h, 30d.\n",
    );
    for setting in Config::settings() {
        text.push('\n');
        for line in setting.meaning.lines() {
            text.push_str(&format!("# {}\n", line.trim()));
        }
        text.push_str(&format!("# {}={}\n", setting.name, setting.default));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Faults> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read(&pairs.collect())
    }

    #[test]
    fn the_defaults_are_usable() {
        assert!(read(&[]).is_ok());
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = read(&[
            ("BIND", "everywhere"),
            ("DEBUG", "perhaps"),
            ("SECRET_KEY", "short"),
            ("DATABASE_URL", "mysql://x"),
            ("ACCESS_TOKEN_LIFETIME", "5 parsecs"),
            ("MESSAGE_MAX_LENGTH", "-1"),
            ("LOG_FORMAT", "xml"),
            ("CORS_ALLOWED_ORIGINS", "https://a.example/path"),
            ("BUS_URL", "amqp://meow:secret@host"),
            ("BUS_TLS_KEY", "key.pem"),
        ])
        .expect_err("faulty");
        let names: Vec<_> = faults.0.iter().filter_map(|fault| fault.split(' ').next()).collect();
        assert_eq!(
            names,
            [
                "DEBUG",
                "BIND",
                "CORS_ALLOWED_ORIGINS",
                "DATABASE_URL",
                "BUS_URL",
                "BUS_TLS_CERT",
                "SECRET_KEY",
                "ACCESS_TOKEN_LIFETIME",
                "MESSAGE_MAX_LENGTH",
                "LOG_FORMAT"
            ]
        );
        let faults = faults.to_string();
        assert!(!faults.contains("short\"") && !faults.contains("meow:"), "no secret is repeated");
    }

    #[test]
    fn settings_without_effect_are_named() {
        let given = [("METRICS_BIND", "[::1]:9"), ("LOG_DIR", ""), ("DEBUG", "on")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(Config::without_effect(&Variables::from(given)), ["METRICS_BIND"]);
    }

    #[test]
    fn postgres_needs_a_secret_key() {
        let url = ("DATABASE_URL", "postgres://meow@localhost/meow");
        assert!(read(&[url]).is_err());
        assert!(read(&[url, ("SECRET_KEY", &"k".repeat(50))]).is_ok());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "asks the developer's shell, not the settings")]
    fn the_example_file_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example");
        if std::env::var_os("UPDATE_ENV_EXAMPLE").is_some() {
            std::fs::write(path, example()).expect("written");
        }
        let file = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(file, example(), "run `make snapshots`");
    }
}
