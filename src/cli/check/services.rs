//! Whether the services that the settings name can be used. Each check has a timeout.

use std::time::Duration;

use crate::app;
use crate::config::{Config, MediaUrl};
use crate::mail::Mailer;
use crate::store::migrations::{self, MigrationError, State};
use crate::store::server_facts::{ServerFacts, server_facts};

use super::finding::Finding;

/// Timeout for each service.
const LIMIT: Duration = Duration::from_secs(10);

/// With `deploy`, also reports what is unsafe about the database server.
pub(super) async fn check(config: &Config, deploy: bool) -> Vec<Finding> {
    let (database, bus, mail, media) =
        tokio::join!(database(config, deploy), bus(config), mail(config), media(config));
    database.into_iter().chain([bus, mail, media].into_iter().flatten()).collect()
}

/// Whether the database can be opened and its schema is current.
async fn database(config: &Config, deploy: bool) -> Vec<Finding> {
    // A check creates nothing: the first start creates the embedded database.
    if config.database.sqlite_file().is_some_and(|file| !file.exists()) {
        return Vec::new();
    }
    let broken = |text: String| {
        let hint = "Until this is fixed, no command that needs the database works.";
        vec![Finding::new("services.E101", "DATABASE_URL", text, hint)]
    };
    let db = match app::open_database(config).await {
        Ok(db) => db,
        Err(error) => return broken(error.to_string()),
    };
    let state = match migrations::state(&db).await {
        Ok(state) => state,
        Err(error) => return broken(error.to_string()),
    };
    let mut findings = Vec::from_iter(schema(state));
    if deploy {
        match server_facts(&db).await {
            Ok(facts) => findings.extend(facts.iter().flat_map(unsafe_server)),
            Err(error) => return broken(error.to_string()),
        }
    }
    findings
}

fn schema(state: State) -> Option<Finding> {
    let (text, hint) = match state {
        State::Current | State::NewerCompatible(_) => return None,
        State::Behind(names) => (
            format!("{} migrations are not applied.", names.len()),
            "Stop the server if it is older, and run `migrate`.",
        ),
        State::NewerIncompatible(name) => {
            (MigrationError::Newer(name).to_string(), "Install the newer version.")
        }
        State::Edited(name) => {
            (MigrationError::Edited(name).to_string(), "Install the version that applied it.")
        }
    };
    Some(Finding::new("services.E102", "DATABASE_URL", text, hint))
}

/// What is unsafe about a PostgreSQL server.
fn unsafe_server(facts: &ServerFacts) -> Vec<Finding> {
    let settings = [
        (
            facts.fsync,
            "fsync",
            "a power failure loses acknowledged messages, or the whole database",
        ),
        (facts.full_page_writes, "full_page_writes", "a power failure can corrupt the database"),
    ];
    let off = settings.iter().filter(|(is_on, ..)| !is_on);
    let mut findings: Vec<_> = off
        .map(|(_, name, effect)| {
            let text = format!("PostgreSQL's {name} is off: {effect}.");
            let hint = format!("Remove {name} from postgresql.conf, and reload the server.");
            Finding::new("security.W114", "DATABASE_URL", text, hint)
        })
        .collect();
    if facts.is_superuser {
        findings.push(Finding::new(
            "security.W115",
            "DATABASE_URL",
            "The server uses PostgreSQL as a superuser, which may do more than it needs: run programs \
             and read files on the database's machine.",
            "Create a user that only owns the database: createuser meow; createdb --owner meow meow.",
        ));
    }
    findings
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_database_server_is_not_reported_and_each_fault_is() {
        let safe = ServerFacts { fsync: true, full_page_writes: true, is_superuser: false };
        assert_eq!(unsafe_server(&safe), []);
        for (facts, id, text) in [
            (ServerFacts { fsync: false, ..safe }, "security.W114", "fsync is off"),
            (
                ServerFacts { full_page_writes: false, ..safe },
                "security.W114",
                "full_page_writes is off",
            ),
            (ServerFacts { is_superuser: true, ..safe }, "security.W115", "superuser"),
        ] {
            let findings = unsafe_server(&facts);
            assert!(findings.len() == 1 && findings[0].id == id, "{findings:?}");
            assert!(findings[0].text.contains(text), "{findings:?}");
        }
    }
}
