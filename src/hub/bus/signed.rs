//! Envelopes as they travel over the bus: named by the site and topic, and signed with a key that only the
//! site's nodes have, so that nobody else who can publish to NATS is believed.

use std::time::Duration;

use async_nats::Message;
use tokio::time::Instant;

use crate::auth::secrets::SigningKey;

use super::envelope::{Envelope, Topic};

/// Messages with a wrong signature are logged at most this often.
const FORGED_LOGGED: Duration = Duration::from_secs(60);

/// How a site's messages are named and signed.
pub(super) struct Signing<'a> {
    pub(super) site: &'a str,
    pub(super) key: &'a SigningKey,
}

impl Signing<'_> {
    pub(super) fn subject(&self, topic: Topic) -> String {
        format!("meow.{}.{topic}", self.site)
    }

    /// A subject that nobody subscribes to.
    pub(super) fn nobody(&self) -> String {
        format!("meow.{}.nobody", self.site)
    }

    /// The subject and the signed bytes of an envelope.
    pub(super) fn sign(&self, envelope: &Envelope) -> Result<(String, Vec<u8>), serde_json::Error> {
        let subject = self.subject(envelope.topic());
        let signed = self.key.sign(&subject, &envelope.encode()?);
        Ok((subject, signed))
    }

    /// The envelope that a node of this site published under the message's subject.
    pub(super) fn open(&self, message: &Message, forged: &mut Forged) -> Option<Envelope> {
        let Some(payload) = self.key.verified(&message.subject, &message.payload) else {
            forged.note(&message.subject);
            return None;
        };
        Envelope::decode(payload)
    }
}

/// Counts messages with a wrong signature between log lines.
#[derive(Default)]
pub(super) struct Forged {
    logged: Option<Instant>,
    since: u64,
}

impl Forged {
    fn note(&mut self, subject: &str) {
        self.since += 1;
        if self.logged.is_none_or(|logged| logged.elapsed() >= FORGED_LOGGED) {
            tracing::warn!(
                subject,
                messages = self.since,
                "NATS messages with a wrong signature dropped; their sender is not of this site, or \
                 has another SECRET_KEY or version"
            );
            *self = Self { logged: Some(Instant::now()), since: 0 };
        }
    }
}
