//! Secrets that are easy to guess: the key that signs tokens, and passwords and tokens in URLs. No finding
//! repeats a secret.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::config::{Config, DatabaseUrl};
use crate::domain::network::is_local;
use crate::domain::password::{self, Attributes};

use super::finding::Finding;

const RANDOM: &str = "`od -An -N32 -tx1 /dev/urandom | tr -d ' \\n'`";

/// What a key contains that was copied from an example.
const PLACEHOLDERS: [&str; 8] = [
    "changeme",
    "change-me",
    "change_me",
    "django-insecure-",
    "placeholder",
    "secret-key",
    "secret_key",
    "your-secret",
];

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.tokens.secret_key.as_deref().is_some_and(is_weak_key) {
        findings.push(Finding::new(
            "security.W009",
            "SECRET_KEY",
            "SECRET_KEY is easy to guess: an attacker who does can log in as any user.",
            format!("Generate one: {RANDOM}."),
        ));
    }
    if let DatabaseUrl::Postgres(url) = &config.database.url {
        findings.extend(Url::parse(url).ok().and_then(|url| weak_password("DATABASE_URL", &url)));
    }
    let bus = &config.bus;
    // The credentials of the first server are used for all.
    if let Some(url) = bus.urls.first() {
        findings.extend(weak_password("BUS_URL", url));
        let has_none = url.username().is_empty() && url.password().is_none();
        let is_remote =
            bus.urls.iter().any(|url| url.host_str().is_some_and(|host| !is_local(host)));
        if has_none && bus.credentials.is_none() && bus.tls_client.is_none() && is_remote {
            findings.push(Finding::new(
                "security.W117",
                "BUS_URL",
                "A remote NATS server is used without credentials: anybody who reaches it can read \
                 messages.",
                "Give it a user and password: nats://user:password@host:4222.",
            ));
        }
    }
    findings
}

/// Whether few characters occur, a part is repeated, or it was copied from an example.
fn is_weak_key(key: &str) -> bool {
    let characters: HashSet<_> = key.chars().collect();
    let bytes = key.as_bytes();
    let repeats = |period: usize| bytes[period..] == bytes[..bytes.len() - period];
    let lower = key.to_ascii_lowercase();
    characters.len() < 5
        || (1..=bytes.len() / 2).any(repeats)
        || PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

/// The password of a URL, or the token in place of a user, if the rules for users would refuse it.
fn weak_password(name: &'static str, url: &Url) -> Option<Finding> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = decoded(url.username());
    let in_query = url.query_pairs().find(|(name, _)| name == "password");
    let (password, username) = match (url.password(), in_query) {
        (Some(password), _) => (decoded(password), &*user),
        (None, Some((_, password))) => (password.into_owned(), &*user),
        // A token of NATS. A user without a password logs in otherwise.
        (None, None) if name == "BUS_URL" && !user.is_empty() => (user.clone(), ""),
        (None, None) => return None,
    };
    let faults = password::faults(&password, &Attributes { username, ..Attributes::default() });
    (!faults.is_empty()).then(|| {
        let text = format!("The password in {name} is easy to guess. {}", faults.join(" "));
        Finding::new("security.W116", name, text, format!("Choose a random one: {RANDOM}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_weak_if_it_can_be_guessed() {
        let random = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert!(!is_weak_key(random));
        for weak in ["ab".repeat(30), "only-for-tests-".repeat(4), format!("CHANGEME{random}")] {
            assert!(is_weak_key(&weak), "{weak}");
        }
    }

    #[test]
    fn a_password_is_weak_as_one_of_a_user_would_be() {
        let is_weak = |name, url: &str| weak_password(name, &Url::parse(url).expect(url)).is_some();
        for weak in [
            "postgres://meow:meow@db/m",
            "postgres://meow:pa%73sword@db/m",
            "postgres://db/m?password=1",
        ] {
            assert!(is_weak("DATABASE_URL", weak), "{weak}");
        }
        for fine in
            ["postgres://meow:kR8ybO0n@db/m", "postgres://meow@db/m", "postgres:///m?host=/run"]
        {
            assert!(!is_weak("DATABASE_URL", fine), "{fine}");
        }
        assert!(
            is_weak("BUS_URL", "nats://token@nats") && !is_weak("BUS_URL", "nats://kR8ybO0n@nats")
        );
    }
}
