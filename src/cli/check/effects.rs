//! Settings that have no effect, or another one than they seem to have, because of other settings.

use crate::config::mail::MailUrl;
use crate::config::{Config, DatabaseUrl, Variables};
use crate::http::is_allowed_host;
use crate::store::postgres_url::ignored_parameters;

use super::finding::Finding;

pub(super) fn check(config: &Config, variables: &Variables) -> Vec<Finding> {
    let mut findings = without_effect(config, variables);
    findings.extend(public_host(config));
    findings.extend(lifetimes(config));
    if let DatabaseUrl::Postgres(url) = &config.database.url {
        findings.extend(ignored_parameters(url).into_iter().map(|name| {
            Finding::new(
                "settings.W105",
                "DATABASE_URL",
                format!("The parameter {name:?} is unknown and ignored."),
                "Write it as libpq does, such as sslmode or sslrootcert, or remove it.",
            )
        }));
    }
    findings
}

fn without_effect(config: &Config, variables: &Variables) -> Vec<Finding> {
    let server = &config.server;
    let is_sqlite = config.database.sqlite_file().is_some();
    let has_no_bus = config.bus.urls.is_empty();
    let is_https = server.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let mails_are_printed = config.mail.url == MailUrl::Console;
    let throttles = [
        "THROTTLE_LOGIN",
        "THROTTLE_REGISTER",
        "THROTTLE_ANON",
        "THROTTLE_USER",
        "THROTTLE_MESSAGES",
        "THROTTLE_MEMBERS",
        "THROTTLE_REPORTS",
    ];
    let bus = ["BUS_CREDENTIALS", "BUS_TLS_CA", "BUS_TLS_CERT", "BUS_TLS_KEY"];
    let files = ["LOG_KEEP", "LOG_MAX_BYTES"];
    let useless: [(bool, &[&str], &str); 8] = [
        (is_sqlite, &["DATABASE_POOL_SIZE"], "it is for PostgreSQL, and the database is SQLite"),
        (is_sqlite, &["BUS_URL"], "an embedded database has one server, which needs no bus"),
        (has_no_bus, &bus, "BUS_URL is not set"),
        (mails_are_printed, &["EMAIL_FROM"], "EMAIL_URL is console:, so no mail is sent"),
        (!config.rate_limits.enabled, &throttles, "THROTTLE is off"),
        (config.logging.level.is_some(), &["DEBUG"], "LOG_LEVEL is set"),
        (config.logging.files.is_none(), &files, "LOG_DIR is not set"),
        (
            !is_https && server.trusted_proxies.is_empty(),
            &["SECURE_HSTS_SECONDS"],
            "PUBLIC_URL is not https, and no TRUSTED_PROXIES can say that a client uses HTTPS",
        ),
    ];
    let is_set = |name: &&&str| variables.get(**name).is_some_and(|value| !value.trim().is_empty());
    let mut findings = Vec::new();
    for (_, names, why) in useless.iter().filter(|(applies, ..)| *applies) {
        findings.extend(names.iter().filter(is_set).map(|name| {
            let text = format!("{name} is set, but has no effect: {why}.");
            Finding::new("settings.W103", *name, text, format!("Remove {name}."))
        }));
    }
    findings
}

/// A public host that is not allowed: every request to it is answered with 400.
fn public_host(config: &Config) -> Option<Finding> {
    let url = config.server.public_url.as_deref()?;
    let (_, host) = url.split_once("://")?;
    (!is_allowed_host(host, &config.server.allowed_hosts)).then(|| {
        Finding::new(
            "settings.E101",
            "ALLOWED_HOSTS",
            format!("ALLOWED_HOSTS does not allow {host}, the host of PUBLIC_URL."),
            "Add it: requests to PUBLIC_URL are answered with 400.",
        )
    })
}

fn lifetimes(config: &Config) -> Vec<Finding> {
    let tokens = &config.tokens;
    let mut findings = Vec::new();
    let mut longer = |name: &str, other: &str, effect: &str| {
        let hint = format!("Choose a shorter {name}, or a longer {other}.");
        let text = format!("{name} is longer than {other}: {effect}.");
        findings.push(Finding::new("settings.W104", name, text, hint));
    };
    if tokens.access_lifetime > tokens.refresh_lifetime {
        longer("ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME", "refreshing is never needed");
    }
    if tokens.refresh_lifetime > tokens.ages.session {
        longer("REFRESH_TOKEN_LIFETIME", "SESSION_MAX_AGE", "the session ends before the token");
    }
    findings
}
