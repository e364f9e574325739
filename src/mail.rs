//! Sending mail: by SMTP, or onto the console where no server is named. Knows no user and no
//! template, and never logs what it sends: secrets may be in it.

use std::io::Write;
use std::time::Duration;

use crate::config::mail::{self, MailUrl, Smtp, SmtpTls};
use crate::domain::error::{Error, Result};
use crate::shares::{FairSemaphore, Holder, Permit};
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// Mails on their way at a time, and how many of them for one user or address; more are refused.
const PLACES: u32 = 256;
const PLACES_SHARE: usize = 16;
/// Connections to the mail server at a time, and how many of them for one user or address.
const CONNECTIONS: u32 = 4;
const CONNECTIONS_SHARE: usize = 2;
/// How long a mail may wait for a connection: a mail server that does not answer is given up after
/// half a minute, so the last of a holder's mails gets its turn within this.
const CONNECTION_WAIT: Duration = Duration::from_secs(300);
/// How long the mail server may take to answer a command.
const TIME: Duration = Duration::from_secs(10);
/// Pauses before the further tries, where the server was away or had no time.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// A text to somebody.
#[derive(Debug)]
pub struct Mail {
    /// An address.
    pub to: String,
    /// One line.
    pub subject: &'static str,
    /// Lines of plain text.
    pub body: String,
}

/// The way out.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
    /// Bounds the requests of which it is not known yet whether they lead to a mail.
    requests: FairSemaphore,
    /// Bounds the mails that wait, and so memory.
    places: FairSemaphore,
    connections: FairSemaphore,
}

#[derive(Debug)]
enum Transport {
    Console,
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

/// A mail's place among those on their way, given back when dropped.
#[derive(Debug)]
pub struct Place {
    holder: Holder,
    _permit: Permit,
}

impl Mailer {
    /// Connects to nobody yet.
    pub fn new(settings: &mail::Mail) -> Result<Self> {
        let transport = match &settings.url {
            MailUrl::Console => Transport::Console,
            MailUrl::Smtp(server) => Transport::Smtp(smtp(server)?),
        };
        Ok(Self {
            from: settings.from.clone(),
            transport,
            requests: FairSemaphore::new("requests for mail", PLACES, PLACES_SHARE, Duration::ZERO),
            places: FairSemaphore::new("mails", PLACES, PLACES_SHARE, Duration::ZERO),
            connections: FairSemaphore::new(
                "connections to the mail server",
                CONNECTIONS,
                CONNECTIONS_SHARE,
                CONNECTION_WAIT,
            ),
        })
    }

    /// Takes a place for a request that leads to a mail only where there is an account; to be given
    /// back as soon as that is known. Whether it is refused must not hang on how many mails wait:
    /// that would tell whether there are accounts. [`Error::Unavailable`] as below.
    pub fn request(&self, holder: Holder) -> Result<Permit> {
        self.requests.try_acquire(holder)
    }

    /// Takes a place for a mail, at once. `holder` is who asked for the mail. [`Error::Unavailable`]
    /// where there is no place, or the holder has its share already.
    pub fn place(&self, holder: Holder) -> Result<Place> {
        Ok(Place { holder, _permit: self.places.try_acquire(holder)? })
    }

    /// Sends a mail; up to three tries, some seconds apart. The error may quote the mail
    /// server.
    pub async fn send(&self, place: &Place, mail: &Mail) -> Result<()> {
        let message = self.compose(mail).map_err(Error::internal)?;
        let transport = match &self.transport {
            Transport::Smtp(transport) => transport,
            Transport::Console => return self.print(mail),
        };
        let mut pauses = PAUSES.iter();
        loop {
            let connection = self.connections.acquire(place.holder).await?;
            let sent = transport.send(message.clone()).await;
            drop(connection);
            match (sent, pauses.next()) {
                (Ok(_), _) => return Ok(()),
                (Err(error), Some(pause)) if !error.is_permanent() => {
                    tokio::time::sleep(*pause).await;
                }
                (Err(error), _) => return Err(Error::internal(error)),
            }
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

    fn print(&self, mail: &Mail) -> Result<()> {
        let line = "-".repeat(79);
        let (from, Mail { to, subject, body }) = (&self.from, mail);
        let text = format!("From: {from}\nTo: {to}\nSubject: {subject}\n\n{body}\n{line}\n");
        std::io::stdout().lock().write_all(text.as_bytes()).map_err(Error::internal)
    }
}

fn smtp(server: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let parameters = || TlsParameters::new(server.host.clone()).map_err(Error::internal);
    let tls = match server.tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Starttls => Tls::Required(parameters()?),
        SmtpTls::Implicit => Tls::Wrapper(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .timeout(Some(TIME))
        .tls(tls);
    if let Some((user, password)) = server.credentials.clone() {
        builder = builder.credentials(Credentials::new(user, password));
    }
    Ok(builder.build())
}
