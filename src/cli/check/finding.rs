//! A finding of `check`.

use std::fmt;

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Stable, so that `SILENCED_SYSTEM_CHECKS` can name it: a group, `E` or `W` for the level, a number.
    /// Those that Django has too have its ids.
    pub(super) id: &'static str,
    /// The setting or file.
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) hint: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Something does not work.
    Error,
    /// Something is unsafe, or not what the operator believes.
    Warning,
}

impl Finding {
    pub(super) fn new(
        id: &'static str,
        subject: impl Into<String>,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { id, subject: subject.into(), text: text.into(), hint: hint.into() }
    }

    pub(super) fn level(&self) -> Level {
        if self.id.contains(".E") { Level::Error } else { Level::Warning }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, subject, text, hint } = self;
        write!(f, "{subject}: ({id}) {text}\n\tHINT: {hint}")
    }
}
