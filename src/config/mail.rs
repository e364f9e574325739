//! How mail is sent.

use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;

use crate::domain::network::is_local;
use crate::domain::text::quoted;

use super::credentials;
use super::reader::Reader;

/// Settings of mail.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// `EMAIL_URL`
    pub url: MailUrl,
    /// `EMAIL_FROM`
    pub from: Mailbox,
}

/// How mail is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailUrl {
    /// Printed to stdout, for development.
    Console,
    /// Sent through a mail server.
    Smtp(Smtp),
}

/// A mail server.
#[derive(Clone, PartialEq, Eq)]
pub struct Smtp {
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// A host name or IP address.
    pub host: String,
    /// The default depends on the scheme.
    pub port: u16,
    /// User and password.
    pub credentials: Option<(String, String)>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// `smtp://`: not at all.
    None,
    /// `smtp+tls://`: by STARTTLS. Without it no mail is sent.
    Starttls,
    /// `smtps://`: TLS from the start.
    Implicit,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp")
            .field("tls", &self.tls)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Smtp {
    /// Whether mail crosses a network unencrypted.
    pub fn is_exposed(&self) -> bool {
        self.tls == SmtpTls::None && !is_local(&self.host)
    }
}

impl MailSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        Self {
            url: from.secret(
                "EMAIL_URL",
                "console:",
                "How mail is sent: smtp+tls://user:password@host:587 (STARTTLS), smtps:// (TLS from\n\
                 the start, port 465), smtp:// (unencrypted, port 25), or console: to print it.",
                mail_url,
            ),
            from: from.get(
                "EMAIL_FROM",
                "Meowsenger <noreply@localhost>",
                "The sender of mails.",
                |value| value.parse().map_err(|_| format!("must be an e-mail address, not {}", quoted(value))),
            ),
        }
    }
}

fn mail_url(value: &str) -> Result<MailUrl, String> {
    // The value may hold a password, so the error does not quote it.
    let error = || "must be console:, or smtp://, smtps:// or smtp+tls:// and a host".to_owned();
    let url = credentials::url(value)?;
    let (tls, port) = match url.scheme() {
        "console" => return Ok(MailUrl::Console),
        "smtp" => (SmtpTls::None, 25),
        "smtp+tls" => (SmtpTls::Starttls, 587),
        "smtps" => (SmtpTls::Implicit, 465),
        _ => return Err(error()),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(error)?;
    let decode = |text| percent_decode_str(text).decode_utf8().map(String::from);
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, password) => Some(
            decode(user)
                .and_then(|user| Ok((user, decode(password.unwrap_or_default())?)))
                .map_err(|_| "has a user or password that is not UTF-8".to_owned())?,
        ),
    };
    Ok(MailUrl::Smtp(Smtp {
        tls,
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(port),
        credentials,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_url_has_protection_server_and_credentials() {
        let Ok(MailUrl::Smtp(smtp)) = mail_url("smtp+tls://me%40x:p%2Fw%2B@mail.example.org")
        else {
            panic!("no server");
        };
        assert_eq!((smtp.tls, smtp.host.as_str()), (SmtpTls::Starttls, "mail.example.org"));
        assert_eq!(smtp.port, 587);
        assert_eq!(smtp.credentials, Some(("me@x".to_owned(), "p/w+".to_owned())));
        let Ok(MailUrl::Smtp(smtp)) = mail_url("smtp://[::1]:2525") else { panic!("no server") };
        assert_eq!((smtp.tls, smtp.host.as_str(), smtp.port), (SmtpTls::None, "::1", 2525));
        assert_eq!(smtp.credentials, None);
        for bad in ["", "mail.example.org", "smtp://", "smtp:", "http://x", "smtps://u:secret@"] {
            let error = mail_url(bad).expect_err(bad);
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
