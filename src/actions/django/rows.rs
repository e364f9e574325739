//! Rows for the tables of a site, from the values that an import knows.

use serde_json::{Map, Value};

use crate::actions::transfer::TransferError;
use crate::store::load::{Load, Rejected};
use crate::store::site_tables::{ColumnKind, TableLayout};

/// Rows inserted by one statement.
const BATCH: usize = 500;

/// Rows of one table that are not inserted yet.
pub(super) struct Rows {
    layout: TableLayout,
    waiting: Vec<String>,
}

impl Rows {
    /// For a table of the database that is being filled.
    pub(super) fn of(load: &Load, table: &str) -> Result<Self, TransferError> {
        let layout = load.layouts.iter().find(|layout| layout.table.name == table);
        let layout = layout.ok_or_else(|| TransferError::Refused(format!("no table {table}")))?;
        Ok(Self { layout: layout.clone(), waiting: Vec::new() })
    }

    /// Adds a row, and inserts those that wait if there are enough.
    pub(super) async fn add(
        &mut self,
        load: &mut Load,
        row: Map<String, Value>,
    ) -> Result<(), TransferError> {
        self.hold(row);
        if self.is_full() { self.flush(load).await } else { Ok(()) }
    }

    /// Adds a row. A column that is not given and may not be null is 0, false or empty, also where the
    /// table has another default.
    pub(super) fn hold(&mut self, mut row: Map<String, Value>) {
        for column in self.layout.columns.iter().filter(|column| !column.nullable) {
            row.entry(column.name.clone()).or_insert_with(|| match column.kind {
                ColumnKind::Integer => 0.into(),
                ColumnKind::Boolean => false.into(),
                ColumnKind::Text => "".into(),
            });
        }
        self.waiting.push(Value::Object(row).to_string());
    }

    /// Whether enough rows wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= BATCH
    }

    /// Inserts those that wait.
    pub(super) async fn flush(&mut self, load: &mut Load) -> Result<(), TransferError> {
        let rows = std::mem::take(&mut self.waiting);
        match load.insert(&self.layout, &rows).await {
            Ok(()) => Ok(()),
            Err(Rejected::Store(error)) => Err(error.into()),
            Err(Rejected::Row(index, error)) => Err(TransferError::Refused(format!(
                "a row of {} is refused by the database ({error}): {}",
                self.layout.table.name,
                rows.get(index).map_or("", |row| row.get(..200).unwrap_or(row))
            ))),
        }
    }
}

/// A row as it is written in code.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
