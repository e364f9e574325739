//! What a `DATABASE_URL` says of its server: where it is, and how the way to it is protected. Connects
//! nothing, and shows no password.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::domain::network::is_local;
use crate::reach::{self, Server};

use super::error::{Failure, StoreError};
use super::pooler::OpenError;

/// Parameters that sqlx reads.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Names of parameters that have no effect.
pub fn ignored_parameters(url: &str) -> Vec<String> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    let names = url.query_pairs().map(|(name, _)| name.into_owned());
    let is_known = |name: &str| PARAMETERS.contains(&name) || name.starts_with("options[");
    names.filter(|name| !is_known(name)).collect()
}

/// Whether the connection crosses a network and may be unencrypted.
pub fn is_exposed(url: &str) -> bool {
    let Ok(options) = PgConnectOptions::from_str(url) else { return false };
    let is_encrypted = matches!(
        options.get_ssl_mode(),
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull
    );
    !is_encrypted && options.get_socket().is_none() && !is_local(options.get_host())
}

/// Says which server could not be used, and why.
pub(super) fn explain(options: &PgConnectOptions, error: StoreError) -> OpenError {
    let StoreError::Unavailable(error) = error else { return error.into() };
    let server = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => {
            let host = options.get_host().trim_matches(['[', ']']).to_owned();
            Server { host, port: options.get_port() }.to_string()
        }
    };
    OpenError::Server { server, cause: cause(options, &error) }
}

fn cause(options: &PgConnectOptions, failure: &Failure) -> String {
    let error = match failure {
        Failure::Postgres(error) => error,
        Failure::Io(error) => return reach::cause(error),
        other => return other.to_string(),
    };
    match error {
        sqlx::Error::Io(error) => reach::cause(error),
        sqlx::Error::Tls(error) => format!("TLS: {error}"),
        sqlx::Error::Protocol(_) => format!("no PostgreSQL server answers there ({error})"),
        sqlx::Error::Database(error) => {
            let (user, text) = (options.get_username(), error.message());
            match error.code().as_deref() {
                Some("28P01") => format!("wrong password for the user {user:?}"),
                Some("28000") => format!("the user {user:?} may not log in ({text})"),
                Some("3D000") => {
                    let name = options.get_database().unwrap_or(user);
                    format!("the database {name:?} does not exist")
                }
                Some("53300") => format!("it has no free connection ({text})"),
                _ => text.to_owned(),
            }
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_server_without_enforced_tls_is_exposed() {
        for url in ["postgres://db/meow", "postgres://meow@10.0.0.9/m?sslmode=prefer"] {
            assert!(is_exposed(url), "{url}");
        }
        for url in [
            "postgres://db/meow?sslmode=verify-full",
            "postgres://db/meow?ssl-mode=require",
            "postgres://localhost/meow",
            "postgres://[::1]/meow",
            "postgres:///meow?host=/run/postgresql",
        ] {
            assert!(!is_exposed(url), "{url}");
        }
        let ignored = ignored_parameters("postgres://db/meow?ssl_mode=require&options[x]=1&user=m");
        assert_eq!(ignored, ["ssl_mode"]);
    }
}
