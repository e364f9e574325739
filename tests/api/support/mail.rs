//! A mail server that stores what it receives. It speaks as much SMTP as a sender needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::socket::DEADLINE;

/// A running mail server, for as long as the test.
pub struct MailServer {
    /// The value for `EMAIL_URL`.
    pub url: String,
    mails: mpsc::UnboundedReceiver<Mail>,
    /// The number of mails that it has refused.
    pub refused: Arc<AtomicU32>,
}

/// A received mail.
#[derive(Debug)]
pub struct Mail {
    pub to: String,
    pub text: String,
}

impl MailServer {
    pub async fn start() -> Self {
        Self::start_refusing(0).await
    }

    /// A server that refuses so many mails with a temporary error first.
    pub async fn start_refusing(count: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let (sender, mails) = mpsc::unbounded_channel();
        let refused = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&refused);
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let refuse = counter.load(Ordering::SeqCst) < count;
                if refuse {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                // A sender may disconnect.
                if let Ok(Some(mail)) = converse(stream, refuse).await {
                    sender.send(mail).ok();
                }
            }
        });
        Self { url, mails, refused }
    }

    /// The next mail.
    pub async fn next(&mut self) -> Mail {
        timeout(DEADLINE, self.mails.recv()).await.expect("a mail in time").expect("a mail")
    }

    /// A mail that has already arrived.
    pub fn ready(&mut self) -> Option<Mail> {
        self.mails.try_recv().ok()
    }
}

impl Mail {
    /// The `uid` and `token` of the link in it.
    pub fn link(&self) -> (String, String) {
        let link = self.text.split_whitespace().find(|word| word.contains("/reset?uid="));
        let url = url::Url::parse(link.unwrap_or_else(|| panic!("no link: {self:?}")));
        let query: Vec<_> = url.expect("a URL").query_pairs().into_owned().collect();
        let [(uid, user), (token, proof)] = query.as_slice() else { panic!("{query:?}") };
        assert_eq!((uid.as_str(), token.as_str()), ("uid", "token"));
        (user.clone(), proof.clone())
    }
}

async fn converse(stream: TcpStream, refuse: bool) -> std::io::Result<Option<Mail>> {
    let mut stream = BufReader::new(stream);
    let mut mail = None;
    let mut to = String::new();
    stream.write_all(b"220 cat.example\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(mail);
        }
        let answer = match line.split([' ', '\r']).next().unwrap_or_default() {
            "EHLO" => "250-cat.example\r\n250 AUTH PLAIN",
            "AUTH" => "235 ok",
            "MAIL" if refuse => "451 asleep",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                "250 ok"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let text = data(&mut stream).await?;
                mail = Some(Mail { to: to.clone(), text });
                "250 ok"
            }
            "QUIT" => {
                stream.write_all(b"221 purr\r\n").await?;
                return Ok(mail);
            }
            _ => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        // One mail for each connection: does not wait for the sender to continue.
        if mail.is_some() {
            return Ok(mail);
        }
    }
}

async fn data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n.\r\n") && stream.read_line(&mut text).await? > 0 {}
    // Soft line breaks, and the escaped equals sign of links.
    Ok(match text.contains("quoted-printable") {
        true => text.replace("=\r\n", "").replace("=3D", "="),
        false => text,
    })
}
