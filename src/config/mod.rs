//! The settings: read once, at the start, with all errors reported together. Nothing here connects or
//! creates anything; the only files read are `.env` and those of secrets.

pub mod bind;
pub mod bus;
mod checks;
mod credentials;
pub mod database;
pub mod limits;
pub mod logging;
pub mod mail;
pub mod media;
mod origins;
pub mod rate_limits;
mod reader;
pub mod retention;
mod secrets;
pub mod server;
pub mod tokens;
pub mod traces;
mod variables;

pub use bind::{Bind, ListenAddress};
pub use bus::BusSettings;
pub use database::{DatabaseSettings, DatabaseUrl};
pub use limits::Limits;
pub use logging::{LogAccounts, LogFileSettings, LogFormat, LogKeep, LogSettings};
pub use mail::MailSettings;
pub use media::{MediaSettings, MediaUrl};
pub use rate_limits::RateLimitSettings;
use reader::Reader;
pub use reader::Setting;
pub use retention::RetentionSettings;
pub use secrets::secret;
pub use server::ServerSettings;
pub use tokens::{Ages, TokenSettings};
pub use traces::TraceSettings;
pub use variables::{SettingsError, Variables, env_file, environment, process_environment};

/// All settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses, hosts and connections.
    pub server: ServerSettings,
    /// The database.
    pub database: DatabaseSettings,
    /// The bus between nodes.
    pub bus: BusSettings,
    /// Where avatars are stored.
    pub media: MediaSettings,
    /// The secret key, and how long what it signs is valid.
    pub tokens: TokenSettings,
    /// Rate limits.
    pub rate_limits: RateLimitSettings,
    /// How mail is sent.
    pub mail: MailSettings,
    /// Sizes and counts.
    pub limits: Limits,
    /// For how long data is kept.
    pub retention: RetentionSettings,
    /// The log.
    pub logging: LogSettings,
    /// Traces.
    pub traces: TraceSettings,
    /// `SILENCED_SYSTEM_CHECKS`: ids of findings that `check` does not report.
    pub silenced_checks: Vec<String>,
}

impl Config {
    /// Reads the settings.
    pub fn read(variables: &Variables) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(variables);
        let config = Self::from_reader(&mut reader);
        // A file that cannot be read is an error already.
        let has_key =
            config.tokens.secret_key.is_some() || variables.contains_key("SECRET_KEY_FILE");
        if matches!(config.database.url, DatabaseUrl::Postgres(_)) && !has_key {
            reader.error("SECRET_KEY", "is required with PostgreSQL: all nodes need the same one");
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

    /// The names of settings that may be in a file, which `NAME_FILE` names.
    pub fn secret_names() -> Vec<&'static str> {
        let settings = Self::settings().into_iter().filter(|setting| setting.is_secret);
        settings.map(|setting| setting.name).chain(media::AWS_SECRETS).collect()
    }

    /// The names of all variables that are read.
    pub fn names() -> Vec<String> {
        let settings = Self::settings().into_iter().map(|setting| setting.name);
        let others = media::AWS_SECRETS.iter().chain(&media::AWS_VARIABLES);
        let names = settings.chain(others.copied()).map(str::to_owned);
        let files = Self::secret_names().into_iter().map(|name| format!("{name}_FILE"));
        names.chain(files).collect()
    }

    fn from_reader(reader: &mut Reader<'_>) -> Self {
        Self {
            server: ServerSettings::read(reader),
            database: DatabaseSettings::read(reader),
            bus: BusSettings::read(reader),
            media: MediaSettings::read(reader),
            tokens: TokenSettings::read(reader),
            rate_limits: RateLimitSettings::read(reader),
            mail: MailSettings::read(reader),
            limits: Limits::read(reader),
            retention: RetentionSettings::read(reader),
            logging: LogSettings::read(reader),
            traces: TraceSettings::read(reader),
            silenced_checks: checks::silenced(reader),
        }
    }
}

/// An `.env` file with every setting at its default, commented out.
pub fn example() -> String {
    let mut text = String::from(
        "# All settings of Meowsenger with their defaults. Copy this file to .env and uncomment what\n\
         # you change. Environment variables override the file.\n\
         # Durations are in seconds, or have a unit: 90s, 15m, 12h, 30d.\n\
         #\n\
         # A value with spaces, #, quotes or backslashes needs single quotes: NAME='value'. A $ is an\n\
         # ordinary character: variables are not substituted, and ${NAME} is refused outside single\n\
         # quotes. Other readers of this file, such as Docker Compose or a shell, do substitute: for\n\
         # them, put a value with $ into single quotes.\n\
         # In a URL, user names and passwords are %-encoded: p@ss/w%rd is p%40ss%2Fw%25rd.\n",
    );
    text.push_str(&format!(
        "#\n# A secret may be in a file instead, which NAME_FILE names:\n# {}\n",
        Config::secret_names().join(", ").replace(", AWS_A", ",\n# AWS_A")
    ));
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

    fn read(pairs: &[(&str, &str)]) -> Result<Config, SettingsError> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read(&pairs.collect())
    }

    #[test]
    fn the_defaults_are_usable() {
        assert!(read(&[]).is_ok());
    }

    #[test]
    fn all_errors_are_reported_together() {
        let errors = read(&[
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
        .expect_err("invalid");
        let names: Vec<_> = errors.0.iter().filter_map(|error| error.split(' ').next()).collect();
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
        let errors = errors.to_string();
        assert!(!errors.contains("short\"") && !errors.contains("meow:"), "no secret is repeated");
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
