//! Whether the services that the settings name can be used. Each check has a timeout.

use std::time::Duration;

use crate::app;
use crate::config::{Config, MediaUrl};
use crate::mail::Mailer;
use crate::store::migrations::{self, MigrationError, State};

use super::finding::Finding;

/// Timeout for each service.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let (database, bus, mail, media) =
        tokio::join!(database(config), bus(config), mail(config), media(config));
    [database, bus, mail, media].into_iter().flatten().collect()
}

/// Whether the database can be opened and its schema is current.
async fn database(config: &Config) -> Option<Finding> {
    // A check creates nothing: the first start creates the embedded database.
    if config.database.sqlite_file().is_some_and(|file| !file.exists()) {
        return None;
    }
    let broken = |text: String| {
        Some(Finding::new(
            "services.E101",
            "DATABASE_URL",
            text,
            "Until this is fixed, no command that needs the database works.",
        ))
    };
    let behind =
        |text: String, hint: &str| Some(Finding::new("services.E102", "DATABASE_URL", text, hint));
    let db = match app::open_database(config).await {
        Ok(db) => db,
        Err(error) => return broken(error.to_string()),
    };
    match migrations::state(&db).await {
        Err(error) => broken(error.to_string()),
        Ok(State::Behind(names)) => {
            let text = format!("{} migrations are not applied.", names.len());
            behind(text, "Stop the server if it is older, and run `migrate`.")
        }
        Ok(State::NewerIncompatible(name)) => {
            behind(MigrationError::Newer(name).to_string(), "Install the newer version.")
        }
        Ok(State::Edited(name)) => {
            behind(MigrationError::Edited(name).to_string(), "Install the version that applied it.")
        }
        Ok(State::Current | State::NewerCompatible(_)) => None,
    }
}

async fn bus(config: &Config) -> Option<Finding> {
    let error = app::check_bus(&config.bus, LIMIT).await.err()?;
    let hint = "A server starts without it, but other nodes' events arrive late.";
    Some(Finding::new("services.E103", "BUS_URL", error, hint))
}

async fn mail(config: &Config) -> Option<Finding> {
    let mailer =
        Mailer::new(&config.mail, config.logging.format).map_err(|e| e.cause().to_string());
    let error = match mailer {
        Ok(mailer) => mailer.check(LIMIT).await.err()?,
        Err(error) => error,
    };
    let hint = "Until this is fixed, no mail is sent, such as links for resetting passwords.";
    Some(Finding::new("services.E104", "EMAIL_URL", error, hint))
}

async fn media(config: &Config) -> Option<Finding> {
    if let MediaUrl::Folder(folder) = &config.media.url {
        let ours = config.database.data_dir.join("media");
        // The first start creates it.
        if !folder.as_ref().unwrap_or(&ours).exists() {
            return None;
        }
    }
    let error = app::check_files(config, LIMIT).await.err()?;
    let hint = "Until this is fixed, avatars can be neither uploaded nor shown.";
    Some(Finding::new("services.E105", "MEDIA_URL", error, hint))
}
