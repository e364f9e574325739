//! The plans by which the database runs its slow statements, for the log. A statement is explained beside the work,
//! once an hour at most, and without its values: on PostgreSQL by the generic plan that all connections use.

use super::db::{Db, Tx};
use super::dynamic;
use super::error::Result;

/// A name that no other prepared statement has: the driver's are `sqlx_s_…`.
const NAME: &str = "slow_statement";

/// The plan of a slow statement.
#[derive(Debug)]
pub struct Plan {
    /// The statement's name.
    pub statement: &'static str,
    /// The steps from the root on, separated by semicolons; or why there is none.
    pub steps: Result<String>,
}

/// Explains the statements that were slow since the last call.
pub async fn slow_statements(db: &Db) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (statement, sql) in db.unexplained() {
        plans.push(Plan { statement, steps: explain(db, &sql).await });
    }
    plans
}

async fn explain(db: &Db, sql: &str) -> Result<String> {
    let mut tx = db.reading().await?;
    let steps =
        if tx.is_sqlite() { sqlite(&mut tx, sql).await } else { postgres(&mut tx, sql).await };
    Ok(steps?.iter().map(|step| step.trim_start()).collect::<Vec<_>>().join("; "))
}

async fn sqlite(tx: &mut Tx, sql: &str) -> Result<Vec<String>> {
    let steps: Vec<(i64, i64, i64, String)> =
        dynamic::rows(tx, format!("explain query plan {}", numbered(sql))).await?;
    Ok(steps.into_iter().map(|(_, _, _, step)| step).collect())
}

/// A statement with a number for each value: the plan does not depend on values.
fn numbered(sql: &str) -> String {
    let mut parts = sql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if !part.starts_with(|first: char| first.is_ascii_digit()) {
            text.push('$');
        }
        text.push_str(part);
    }
    text
}

/// PostgreSQL 15 explains the generic plan only of a prepared statement. A pooler keeps a transaction on one
/// connection of the server, so the whole is one.
async fn postgres(tx: &mut Tx, sql: &str) -> Result<Vec<String>> {
    tx.lease.in_transaction = true;
    tx.script(format!("begin; prepare {NAME} as {sql}")).await?;
    let steps =
        dynamic::rows(tx, format!("explain (costs off) execute {NAME}{}", nulls(sql))).await;
    // `prepare` outlives a rollback.
    tx.script(format!("rollback; deallocate {NAME}")).await?;
    tx.lease.in_transaction = false;
    steps
}

/// A null for each value of a statement: `(null, null)`.
fn nulls(sql: &str) -> String {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let numbers = sql.split('$').skip(1).filter_map(|text| text[..digits(text)].parse().ok());
    match numbers.max().unwrap_or(0) {
        0 => String::new(),
        count => format!("({})", vec!["null"; count].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_replaced() {
        assert_eq!(numbered("select $1, $12 -> '$.name'"), "select 1, 12 -> '$.name'");
        assert_eq!(nulls("select 1"), "");
        assert_eq!(nulls("select $1 || '$'"), "(null)");
        assert_eq!(nulls("select $2, $11, $2"), format!("({}null)", "null, ".repeat(10)));
    }
}
