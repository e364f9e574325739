//! What an import from Django says: what does not fit, and what was imported.

use std::path::PathBuf;

use crate::actions::transfer::TransferStep;

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

/// What an import says while it runs.
#[derive(Debug)]
pub enum DjangoEvent<'a> {
    /// A row that does not fit.
    Misfit(&'a Misfit),
    /// How far it has come.
    Step(TransferStep<'a>),
}

/// Receives what an import says.
pub type OnDjangoEvent<'a> = &'a mut (dyn FnMut(DjangoEvent<'_>) + Send);

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

/// Passes on what does not fit and how far the import has come.
pub(super) struct Report<'a> {
    pub(super) on_event: OnDjangoEvent<'a>,
    pub(super) losses: u64,
    pub(super) step: ImportStep,
}

/// What is being imported.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ImportStep {
    name: &'static str,
    done: u64,
    total: u64,
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
        (self.on_event)(DjangoEvent::Misfit(&Misfit {
            kind,
            subject,
            text: text.into(),
            conversion,
        }));
    }

    /// Something is different here, but nothing is lost.
    pub(super) fn note(&mut self, kind: &'static str, subject: String, text: impl Into<String>) {
        let misfit = Misfit { kind, subject, text: text.into(), conversion: None };
        (self.on_event)(DjangoEvent::Misfit(&misfit));
    }

    /// Begins a step with this many rows or files.
    pub(super) fn begin(&mut self, name: &'static str, total: u64) {
        self.step = ImportStep { name, done: 0, total };
        self.advance(0);
    }

    /// So many more of the step's rows or files are done.
    pub(super) fn advance(&mut self, more: usize) {
        let ImportStep { name, done, total } = self.step;
        // Django may go on writing: the total is what there was at first.
        let done = total.min(done + more as u64);
        self.step.done = done;
        let step = TransferStep { name, done, total };
        (self.on_event)(DjangoEvent::Step(step));
    }
}
