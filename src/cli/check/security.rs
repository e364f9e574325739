//! What is unsafe on a public server.

use std::time::Duration;

use crate::config::mail::MailUrl;
use crate::config::{Config, DatabaseUrl, LogAccounts};
use crate::domain::network::{is_local, is_public};
use crate::domain::origin::WebOrigin;
use crate::store::postgres_url::is_exposed;

use super::finding::Finding;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = server(config);
    findings.extend(addresses(config));
    findings.extend(metrics(config));
    findings.extend(transport(config));
    findings.extend(rate_limits(config));
    findings.extend(lifetimes(config));
    findings
}

fn server(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.server.debug {
        findings.push(Finding::new("security.W018", "DEBUG", "DEBUG is on.", "Set DEBUG=false."));
    }
    if config.mail.url == MailUrl::Console {
        findings.push(Finding::new(
            "security.W105",
            "EMAIL_URL",
            "Mail is printed instead of sent: nobody can reset a password, and the links are in the \
             output.",
            "Set EMAIL_URL to a mail server, such as smtp+tls://user:password@host:587.",
        ));
    }
    if config.logging.accounts == LogAccounts::Name {
        findings.push(Finding::new(
            "security.W118",
            "LOG_ACCOUNTS",
            "The log has what people type when they log in: names, e-mail addresses, and passwords typed \
             into the wrong field.",
            "Remove LOG_ACCOUNTS: by default the log has hashes, which can be compared.",
        ));
    }
    findings
}

/// Hosts, proxies and links.
fn addresses(config: &Config) -> Vec<Finding> {
    let server = &config.server;
    let mut findings = Vec::new();
    if server.allowed_hosts.iter().any(|host| host == "*") {
        findings.push(Finding::new(
            "security.W020",
            "ALLOWED_HOSTS",
            "ALLOWED_HOSTS allows any host.",
            "Name the hosts of PUBLIC_URL and of your monitoring.",
        ));
    }
    match server.public_url.as_deref() {
        None => findings.push(Finding::new(
            "security.W101",
            "PUBLIC_URL",
            "PUBLIC_URL is not set: links in answers and mails use the Host of a request, or BIND.",
            "Set PUBLIC_URL to the address that clients use, such as https://chat.example.org.",
        )),
        Some(url) if url.starts_with("http://") => findings.push(Finding::new(
            "security.W102",
            "PUBLIC_URL",
            "PUBLIC_URL is not https: tokens and messages are sent unencrypted.",
            "Put a proxy that terminates TLS in front of the server, and set PUBLIC_URL to https://….",
        )),
        Some(_) => {}
    }
    if server.trusted_proxies.is_empty() {
        let text = match is_local(&server.bind.host) {
            true => {
                "TRUSTED_PROXIES is not set: behind a proxy all clients have its address, and share one \
                 rate limit."
            }
            false => {
                "TRUSTED_PROXIES is not set, and BIND is not loopback: clients reach the server without \
                 TLS, or share the address and the rate limit of a proxy."
            }
        };
        let hint = "Set it to the address of the proxy that terminates TLS.";
        findings.push(Finding::new("security.W103", "TRUSTED_PROXIES", text, hint));
    }
    if server.trusted_proxies.iter().any(|network| network.is_wide()) {
        findings.push(Finding::new(
            "security.W104",
            "TRUSTED_PROXIES",
            "TRUSTED_PROXIES trusts much of the Internet: anybody can forge addresses, and evade rate \
             limits.",
            "Name the proxies only, such as 10.0.3.7 or 172.30.0.0/24.",
        ));
    }
    findings
}

/// Metrics that others than the monitoring may read.
fn metrics(config: &Config) -> Option<Finding> {
    let bind = config.server.metrics_bind.as_ref().filter(|bind| is_public(&bind.host))?;
    Some(Finding::new(
        "security.W113",
        "METRICS_BIND",
        format!("METRICS_BIND is {bind}: anybody who reaches it can read the metrics."),
        "Bind to 127.0.0.1 or to an address of a private network, or restrict it in the firewall and \
         silence this.",
    ))
}

/// What crosses a network unencrypted.
fn transport(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.server.hsts.is_zero() {
        findings.push(Finding::new(
            "security.W004",
            "SECURE_HSTS_SECONDS",
            "SECURE_HSTS_SECONDS is 0: browsers do not enforce HTTPS.",
            "Set it to 3600, and to a year once everything works.",
        ));
    }
    if config.server.cors_allowed_origins.iter().any(WebOrigin::is_http) {
        findings.push(Finding::new(
            "security.W106",
            "CORS_ALLOWED_ORIGINS",
            "CORS_ALLOWED_ORIGINS has an origin that is not https: an attacker in a network on the \
             way can act as its users.",
            "Remove it, or serve that page over HTTPS.",
        ));
    }
    if config.server.cors_allowed_origins.iter().any(WebOrigin::is_null) {
        findings.push(Finding::new(
            "security.W119",
            "CORS_ALLOWED_ORIGINS",
            "CORS_ALLOWED_ORIGINS has null: any site can make a page with this origin, in a sandboxed \
             frame.",
            "Remove it: packaged apps have origins of their own, such as capacitor://localhost.",
        ));
    }
    if matches!(&config.mail.url, MailUrl::Smtp(smtp) if smtp.is_exposed()) {
        findings.push(Finding::new(
            "security.W107",
            "EMAIL_URL",
            "EMAIL_URL is not encrypted: password reset links are sent in the clear.",
            "Use smtp+tls:// or smtps://.",
        ));
    }
    if matches!(&config.database.url, DatabaseUrl::Postgres(url) if is_exposed(url)) {
        findings.push(Finding::new(
            "security.W108",
            "DATABASE_URL",
            "The connection to a remote database may be unencrypted.",
            "Add ?sslmode=verify-full&sslrootcert=/path/ca.pem.",
        ));
    }
    if config.bus.is_exposed() {
        findings.push(Finding::new(
            "security.W109",
            "BUS_URL",
            "The connection to a remote NATS server may be unencrypted.",
            "Use tls:// instead of nats://.",
        ));
    }
    if config.traces.is_exposed() {
        findings.push(Finding::new(
            "security.W120",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "The connection to a remote collector is unencrypted: it sees who did what, and the headers \
             with its token.",
            "Use an https:// endpoint, or a collector on this machine.",
        ));
    }
    if config.media.is_exposed() {
        findings.push(Finding::new(
            "security.W110",
            "MEDIA_URL",
            "The connection to a remote bucket is unencrypted.",
            "Use an https:// endpoint, without allow_http.",
        ));
    }
    findings
}

fn rate_limits(config: &Config) -> Vec<Finding> {
    let rates = &config.rate_limits.rates;
    let limits = [
        (!config.rate_limits.enabled, "THROTTLE", "nothing limits password guessing and floods"),
        (rates.login.is_none(), "THROTTLE_LOGIN", "nothing limits password guessing"),
        (
            rates.register.is_none(),
            "THROTTLE_REGISTER",
            "an address can create any number of accounts",
        ),
        (rates.anon.is_none(), "THROTTLE_ANON", "nothing limits requests without a token"),
        (rates.user.is_none(), "THROTTLE_USER", "nothing limits a user's requests"),
        (rates.messages.is_none(), "THROTTLE_MESSAGES", "nothing limits a user's messages"),
        (rates.members.is_none(), "THROTTLE_MEMBERS", "a user can add anybody to groups"),
        (rates.reports.is_none(), "THROTTLE_REPORTS", "nothing limits a user's reports"),
    ];
    let off = limits.iter().filter(|(is_off, ..)| *is_off);
    // If THROTTLE is off, so are the others.
    let off = off.take(if config.rate_limits.enabled { limits.len() } else { 1 });
    off.map(|(_, name, effect)| {
        let text = format!("{name} is off: {effect}.");
        Finding::new("security.W111", *name, text, format!("Remove {name}: its default is safe."))
    })
    .collect()
}

fn lifetimes(config: &Config) -> Vec<Finding> {
    let tokens = &config.tokens;
    let lifetimes = [
        ("ACCESS_TOKEN_LIFETIME", tokens.access_lifetime, HOUR, "1h"),
        ("REFRESH_TOKEN_LIFETIME", tokens.refresh_lifetime, DAY * 366, "366d"),
        ("SESSION_MAX_AGE", tokens.ages.session, DAY * 732, "732d"),
        ("PASSWORD_RESET_TIMEOUT", tokens.ages.reset_link, DAY * 3, "3d"),
    ];
    let long = lifetimes.into_iter().filter(|(_, time, most, _)| time > most);
    long.map(|(name, _, _, most)| {
        let text = format!("{name} is longer than {most}: what is stolen works for a long time.");
        Finding::new("security.W112", name, text, format!("Choose at most {most}."))
    })
    .collect()
}
