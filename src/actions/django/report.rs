//! What an import from Django says: what does not fit, and what was imported.

use std::path::PathBuf;

/// Something in a Django database that cannot be imported as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Its kind.
    pub kind: &'static str,
    /// The row, with its id.
    pub subject: String,
    /// Why it does not fit.
    pub text: String,
    /// What `--convert` does; `None` if nothing is lost without it.
    pub conversion: Option<String>,
}

/// What is to be imported, and how.
#[derive(Clone, Debug)]
pub struct DjangoOptions {
    /// Django's `MEDIA_ROOT`.
    pub media: Option<PathBuf>,
    /// Whether to import what does not fit in another form, or to leave it out.
    pub convert: bool,
    /// Longest message, in characters.
    pub message_length: usize,
}

/// How much was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DjangoOutcome {
    /// Accounts.
    pub users: u64,
    /// Private chats and groups.
    pub chats: u64,
    /// Messages.
    pub messages: u64,
    /// Pictures of users and groups.
    pub pictures: u64,
    /// Misfits that lose something.
    pub losses: u64,
    /// Whether everything was committed; otherwise nothing was.
    pub committed: bool,
}

/// Collects what does not fit.
pub(super) struct Report<'a> {
    pub(super) tell: &'a mut (dyn FnMut(&Misfit) + Send),
    pub(super) losses: u64,
}

impl Report<'_> {
    /// Something would be lost. `conversion` is what `--convert` does.
    pub(super) fn loss(
        &mut self,
        kind: &'static str,
        subject: String,
        text: impl Into<String>,
        conversion: impl Into<String>,
    ) {
        self.losses += 1;
        let conversion = Some(conversion.into());
        (self.tell)(&Misfit { kind, subject, text: text.into(), conversion });
    }

    /// Something is different here, but nothing is lost.
    pub(super) fn note(&mut self, kind: &'static str, subject: String, text: impl Into<String>) {
        (self.tell)(&Misfit { kind, subject, text: text.into(), conversion: None });
    }
}
