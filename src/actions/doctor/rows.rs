//! The checks that are queries: walking over the tables, and repairing what they find.

use crate::actions::epoch::new_epoch;
use crate::domain::error::Result;
use crate::domain::ids::MessageId;
use crate::store::doctor::check::{About, Check, Resolution, Tell, Violation, Walk};
use crate::store::doctor::{WALKS, broken_references, check as rows, sequences};
use crate::store::error::StoreError;
use crate::store::query::Dialects;
use crate::store::{chats, site};

use super::report::{Checkup, Remedy};

/// How often a repair is tried that was ended in favour of another transaction.
const TRIES: usize = 3;
/// What the walks check by themselves, of what SQLite calls a broken foreign key.
const WALKED: [&str; 9] = [
    "chats",
    "login_names",
    "members",
    "messages",
    "name_pieces",
    "presence",
    "sessions",
    "spent_refreshes",
    "tickets",
];

pub(super) async fn check(checkup: &mut Checkup<'_>) -> Result<()> {
    for walk in WALKS.into_iter().flatten() {
        pass(checkup, walk).await?;
    }
    for (table, parent, count) in broken_references(checkup.db).await? {
        if !WALKED.contains(&table.as_str()) || parent == "nodes" {
            let text = format!("{count} row(s) refer to rows of {parent} that do not exist");
            let remedy = Remedy::Person("restore these rows, or delete those".to_owned());
            checkup.add("reference", format!("table {table}"), text, remedy);
        }
    }
    Ok(())
}

async fn pass(checkup: &mut Checkup<'_>, walk: &Walk) -> Result<()> {
    let (mut after, mut rows) = (i64::MIN, 0);
    loop {
        let batch = walk.next(checkup.db, after).await?;
        let Some(upto) = batch.upto else { break };
        for check in walk.checks {
            for found in check.violations(checkup.db, after, upto).await? {
                handle(checkup, check, &found).await?;
            }
        }
        (after, rows) = (upto, rows + batch.rows);
    }
    if let Some(noun) = walk.noun {
        checkup.outcome.rows.push((noun, rows));
    }
    Ok(())
}

/// Reports a violation, and repairs it if that is wanted and there is one right answer.
async fn handle(checkup: &mut Checkup<'_>, check: &Check, found: &Violation) -> Result<()> {
    let remedy = match &check.resolution {
        Resolution::Person(text) => Remedy::Person(fill(text, found)),
        Resolution::Repair { text, .. } if !checkup.fix => Remedy::Repairable(fill(text, found)),
        Resolution::Repair { text, statements, tell } => {
            let plan = Plan { statements, tell: *tell, epoch: new_epoch()? };
            match repair_or_retry(checkup, check, found, &plan).await {
                Ok(true) => Remedy::Repaired(fill(text, found)),
                // Somebody else has changed it meanwhile.
                Ok(false) => return Ok(()),
                Err(StoreError::Unique(_)) => Remedy::Person(format!(
                    "the repair ({}) clashes with another row: put that right first",
                    fill(text, found)
                )),
                Err(error) => return Err(error.into()),
            }
        }
    };
    checkup.add(check.name, subject(check.about, found), fill(check.text, found), remedy);
    Ok(())
}

/// How a violation is repaired.
struct Plan {
    statements: &'static [Dialects],
    tell: Tell,
    /// For [`Tell::Everybody`].
    epoch: String,
}

async fn repair_or_retry(
    checkup: &mut Checkup<'_>,
    check: &Check,
    found: &Violation,
    plan: &Plan,
) -> Result<bool, StoreError> {
    for _ in 1..TRIES {
        match repair(checkup, check, found, plan).await {
            Err(StoreError::Conflict(_)) => {}
            done => return done,
        }
    }
    repair(checkup, check, found, plan).await
}

/// Repairs a violation in a transaction of its own. False if it is gone.
async fn repair(
    checkup: &mut Checkup<'_>,
    check: &Check,
    found: &Violation,
    plan: &Plan,
) -> Result<bool, StoreError> {
    let mut tx = checkup.db.begin().await?;
    let Some(found) = check.hold(&mut tx, found).await? else { return Ok(false) };
    check.restore(&mut tx, &found, plan.statements, checkup.clock.now()).await?;
    match (plan.tell, check.chat(&found)) {
        (Tell::Chat, Some(chat)) => drop(chats::next_version(&mut tx, chat).await?),
        (Tell::Message, Some(chat)) => {
            rows::touch_message(&mut tx, MessageId(found.id), chat).await?;
        }
        (Tell::Everybody, _) => {
            let old = site::epoch(&mut tx).await?;
            site::renew_epoch(&mut tx, &old, &plan.epoch).await?;
        }
        _ => {}
    }
    tx.commit().await?;
    checkup.outcome.renewed_epoch |= plan.tell == Tell::Everybody;
    Ok(true)
}

/// A text with the numbers of a violation.
fn fill(text: &str, found: &Violation) -> String {
    let number =
        |number: Option<i64>| number.map_or("none".to_owned(), |number| number.to_string());
    text.replace("{has}", &number(found.has)).replace("{wants}", &number(found.wants))
}

fn subject(about: About, found: &Violation) -> String {
    let (id, other) = (found.id, found.other.unwrap_or_default());
    match about {
        About::User => format!("user {id}"),
        About::UserInChat => format!("user {id} in chat {other}"),
        About::Chat => format!("chat {id}"),
        About::Member => format!("user {other} in chat {id}"),
        About::Message => format!("message {id} in chat {other}"),
        About::Rows(noun) => format!("{noun} {id}"),
        About::Table => {
            let index = usize::try_from(id - 1).unwrap_or_default();
            format!("table {}", sequences::TABLES.get(index).unwrap_or(&"?"))
        }
        About::Site => "site".to_owned(),
    }
}
