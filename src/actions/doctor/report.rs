//! What a check-up finds, and what it has to work with.

use std::time::Duration;

use crate::app::Clock;
use crate::media::files::Files;
use crate::store::Db;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The name of the check.
    pub check: &'static str,
    /// What it is about, with its ids.
    pub subject: String,
    /// What is wrong.
    pub text: String,
    /// What is to be done about it.
    pub remedy: Remedy,
}

/// What is to be done about a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// There is one right answer, and a repair would do this.
    Repairable(String),
    /// This was done.
    Repaired(String),
    /// A person has to decide. What can be done.
    Person(String),
}

/// The result of a check-up.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many rows of which kind were checked.
    pub rows: Vec<(&'static str, i64)>,
    /// What was found, repaired or not.
    pub found: u64,
    /// What was repaired.
    pub repaired: u64,
    /// What a repair would fix.
    pub repairable: u64,
    /// Whether a repair renewed the epoch.
    pub renewed_epoch: bool,
}

/// A check-up in progress.
pub struct Checkup<'a> {
    /// What is checked.
    pub db: &'a Db,
    /// Where avatars are stored.
    pub files: &'a Files,
    /// For dates that repairs write.
    pub clock: &'a Clock,
    /// Whether to repair what has one right answer.
    pub fix: bool,
    /// How long a running server may take to store a picture and name it in a row.
    pub settle: Duration,
    /// Called with each finding, so that none is kept.
    pub report: &'a mut (dyn FnMut(&Defect) + Send),
    /// So far.
    pub outcome: Outcome,
}

impl Checkup<'_> {
    /// Reports a finding.
    pub(super) fn add(
        &mut self,
        check: &'static str,
        subject: String,
        text: String,
        remedy: Remedy,
    ) {
        self.outcome.found += 1;
        match remedy {
            Remedy::Repaired(_) => self.outcome.repaired += 1,
            Remedy::Repairable(_) => self.outcome.repairable += 1,
            Remedy::Person(_) => {}
        }
        (self.report)(&Defect { check, subject, text, remedy });
    }
}
