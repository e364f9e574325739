//! How a database's schema compares with this program: which migrations either side has, and whether the
//! program may use it. Pure; `migrations` reads and applies them.

/// The beginning of the header line that names the oldest migration level whose program can use the
/// schema after this migration.
pub const RUNS_BESIDE: &str = "-- Runs beside: ";

/// A migration, and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `NNNN_name`.
    pub name: String,
    /// The database has it.
    pub applied: bool,
    /// This program has it.
    pub known: bool,
    /// The program's is not what was applied.
    pub edited: bool,
    /// The oldest migration level (the number of the newest migration that a program knows) that can use
    /// the schema after it. `None`: that of this migration itself.
    pub runs_beside: Option<u32>,
}

/// How the database's schema compares with this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// All migrations are applied, and no others.
    Current,
    /// These have to be applied first.
    Behind(Vec<String>),
    /// A newer version has applied these as well; this program can use the database.
    NewerCompatible(Vec<String>),
    /// A newer version has applied this one; this program must not use the database.
    NewerIncompatible(String),
    /// This one was edited after it was applied.
    Edited(String),
}

impl State {
    /// The state, given all migrations that either side has.
    pub fn of(steps: &[Step]) -> Self {
        let level = steps.iter().filter(|step| step.known).filter_map(Step::number).max();
        let may_run = |step: &Step| step.runs_beside.is_some_and(|oldest| Some(oldest) <= level);
        let newer: Vec<_> = steps.iter().filter(|step| !step.known).collect();
        if let Some(step) = newer.iter().find(|step| !may_run(step)) {
            return Self::NewerIncompatible(step.name.clone());
        }
        if let Some(step) = steps.iter().find(|step| step.edited) {
            return Self::Edited(step.name.clone());
        }
        let missing: Vec<_> =
            steps.iter().filter(|step| !step.applied).map(|step| step.name.clone()).collect();
        if !missing.is_empty() {
            Self::Behind(missing)
        } else if newer.is_empty() {
            Self::Current
        } else {
            Self::NewerCompatible(newer.into_iter().map(|step| step.name.clone()).collect())
        }
    }
}

impl Step {
    /// The number at the beginning of its name.
    fn number(&self) -> Option<u32> {
        self.name.get(..4)?.parse().ok()
    }
}

/// The level in a migration's header, if there is one.
pub fn runs_beside(sql: &str) -> Option<u32> {
    sql.lines().find_map(|line| line.strip_prefix(RUNS_BESIDE)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, applied: bool, known: bool, runs_beside: Option<u32>) -> Step {
        Step { name: name.to_owned(), applied, known, edited: false, runs_beside }
    }

    #[test]
    fn what_an_older_binary_may_do_is_read_from_the_database() {
        let known = |applied| step("0007_a", applied, true, Some(6));
        let newer = |beside| step("0008_b", true, false, beside);
        assert_eq!(State::of(&[known(true)]), State::Current);
        assert_eq!(State::of(&[known(false)]), State::Behind(vec!["0007_a".into()]));
        let compatible = State::NewerCompatible(vec!["0008_b".into()]);
        assert_eq!(State::of(&[known(true), newer(Some(7))]), compatible);
        assert_eq!(State::of(&[known(true), newer(Some(6))]), compatible);
        for beside in [None, Some(8)] {
            let refused = State::NewerIncompatible("0008_b".into());
            assert_eq!(State::of(&[known(true), newer(beside)]), refused);
        }
        assert_eq!(
            State::of(&[known(false), newer(Some(7))]),
            State::Behind(vec!["0007_a".into()])
        );
    }

    #[test]
    fn an_edited_migration_is_refused_before_others_are_applied() {
        let edited = Step { edited: true, ..step("0007_a", true, true, Some(6)) };
        let missing = step("0008_b", false, true, Some(7));
        assert_eq!(State::of(&[edited, missing]), State::Edited("0007_a".into()));
    }
}
