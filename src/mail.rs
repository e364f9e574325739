//! Sending mail: by SMTP, or to stdout if no server is configured. Knows neither users nor templates,
//! and never logs what it sends, since mails contain secrets.

use std::fmt;
use std::io::{Write, stdout};
use std::time::Duration;

use crate::config::LogFormat;
use crate::config::mail::{MailSettings, MailUrl, Smtp, SmtpTls};
use crate::domain::error::{Error, Result};
use crate::reach::Server;
use crate::shares::{FairSemaphore, Holder, Permit};
use crate::telemetry;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use tokio::time::timeout;

/// Maximum mails in the queue, and how many of them for one user or address. More are refused.
const QUEUED: u32 = 256;
const QUEUED_SHARE: usize = 16;
/// Maximum connections to the mail server, and how many of them for one user or address.
const CONNECTIONS: u32 = 4;
const CONNECTIONS_SHARE: usize = 2;
/// How long a mail may wait for a connection. Sending to a server that does not answer fails after
/// half a minute, so the last of a holder's mails gets a connection within this time.
const CONNECTION_WAIT: Duration = Duration::from_secs(300);
/// Timeout for each answer of the mail server.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Backoff before each retry, after a failure that may be temporary.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// A mail.
#[derive(Debug)]
pub struct Mail {
    /// The recipient's address.
    pub to: String,
    /// One line.
    pub subject: &'static str,
    /// Plain text.
    pub body: String,
}

/// Sends mails.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
    /// Limits requests that may or may not lead to a mail.
    requests: FairSemaphore,
    /// Limits queued mails, and so memory.
    queue: FairSemaphore,
    connections: FairSemaphore,
}

#[derive(Debug)]
enum Transport {
    Console(LogFormat),
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>, Server),
}

/// A slot in the queue of mails, released when dropped.
#[derive(Debug)]
pub struct MailSlot {
    holder: Holder,
    _permit: Permit,
}

impl Mailer {
    /// Does not connect yet. Printed mails have the format of the log.
    pub fn new(settings: &MailSettings, format: LogFormat) -> Result<Self> {
        let transport = match &settings.url {
            MailUrl::Console => Transport::Console(format),
            MailUrl::Smtp(smtp) => {
                let server = Server { host: smtp.host.clone(), port: smtp.port };
                Transport::Smtp(Box::new(transport(smtp)?), server)
            }
        };
        Ok(Self {
            from: settings.from.clone(),
            transport,
            requests: FairSemaphore::new("requests for mail", QUEUED, QUEUED_SHARE, Duration::ZERO),
            queue: FairSemaphore::new("mails", QUEUED, QUEUED_SHARE, Duration::ZERO),
            connections: FairSemaphore::new(
                "connections to the mail server",
                CONNECTIONS,
                CONNECTIONS_SHARE,
                CONNECTION_WAIT,
            ),
        })
    }

    /// Takes a slot for a request that leads to a mail only if the account exists. Release it as soon as
    /// that is known. It does not depend on how many mails are queued: that would reveal which accounts
    /// exist. [`Error::Unavailable`] as in [`Mailer::slot`].
    pub fn request(&self, holder: Holder) -> Result<Permit> {
        self.requests.try_acquire(holder)
    }

    /// Takes a slot for a mail, without waiting. `holder` requested the mail. [`Error::Unavailable`] if
    /// the queue is full, or the holder has its share of it already.
    pub fn slot(&self, holder: Holder) -> Result<MailSlot> {
        Ok(MailSlot { holder, _permit: self.queue.try_acquire(holder)? })
    }

    /// Sends a mail, with up to two retries. The error may quote the mail server.
    pub async fn send(&self, slot: &MailSlot, mail: &Mail) -> Result<()> {
        let message = self.compose(mail).map_err(Error::internal)?;
        let (transport, server) = match &self.transport {
            Transport::Smtp(transport, server) => (transport, server),
            Transport::Console(format) => return self.print(mail, *format),
        };
        let mut pauses = PAUSES.iter();
        loop {
            let connection = self.connections.acquire(slot.holder).await?;
            let sent = transport.send(message.clone()).await;
            drop(connection);
            match (sent, pauses.next()) {
                (Ok(_), _) => return Ok(()),
                (Err(error), Some(pause)) if !error.is_permanent() => {
                    tokio::time::sleep(*pause).await;
                }
                (Err(error), _) => return Err(Error::internal(describe(server, &error))),
            }
        }
    }

    /// Connects to the mail server and logs in, if there is one. The error says why that fails.
    pub async fn check(&self, limit: Duration) -> Result<(), String> {
        let Transport::Smtp(transport, server) = &self.transport else { return Ok(()) };
        server.probe(limit).await.map_err(|cause| describe(server, &cause))?;
        match timeout(limit, transport.test_connection()).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(describe(server, &"it does not answer as a mail server")),
            Ok(Err(error)) => Err(describe(server, &error)),
            Err(_) => Err(describe(server, &format!("no answer within {} s", limit.as_secs()))),
        }
    }

    fn compose(&self, mail: &Mail) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, mail.to.parse()?))
            .message_id(None)
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body.clone())?;
        Ok(message)
    }

    fn print(&self, mail: &Mail, format: LogFormat) -> Result<()> {
        let (from, Mail { to, subject, body }) = (&self.from, mail);
        if format == LogFormat::Json {
            telemetry::json_lines(stdout, || tracing::info!(%from, to, subject, body, "mail"));
            return Ok(());
        }
        let line = "-".repeat(79);
        let text = format!("From: {from}\nTo: {to}\nSubject: {subject}\n\n{body}\n{line}\n");
        stdout().lock().write_all(text.as_bytes()).map_err(Error::internal)
    }
}

/// An error with its server, without the e-mail addresses that mail servers like to repeat.
fn describe(server: &Server, error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    let words = text.split(' ').map(|word| if word.contains('@') { "…" } else { word });
    format!("the mail server at {server}: {}", words.collect::<Vec<_>>().join(" "))
}

fn transport(server: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let parameters = || TlsParameters::new(server.host.clone()).map_err(Error::internal);
    let tls = match server.tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Starttls => Tls::Required(parameters()?),
        SmtpTls::Implicit => Tls::Wrapper(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .timeout(Some(TIMEOUT))
        .tls(tls);
    if let Some((user, password)) = server.credentials.clone() {
        builder = builder.credentials(Credentials::new(user, password));
    }
    Ok(builder.build())
}
