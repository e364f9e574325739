//! PostgreSQL's rows as [`Columns`]: which of its types are read, and as what.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgValueFormat, PgValueRef};
use sqlx::{Column, Decode, Postgres, Row, TypeInfo, ValueRef};

use super::rows::{Cell, Columns, Unfit};
use super::values::POSTGRES_EPOCH_MICROS;

impl Columns for PgRow {
    fn count(&self) -> usize {
        self.len()
    }

    fn name(&self, index: usize) -> &str {
        self.columns().get(index).map(Column::name).unwrap_or_default()
    }

    fn cell(&self, index: usize) -> Result<Cell<'_>, Unfit> {
        let value = self.try_get_raw(index).map_err(Unfit::because)?;
        if value.is_null() {
            return Ok(Cell::Null);
        }
        cell(value).map_err(Unfit::because)
    }
}

/// The text in the first column.
pub(super) fn first_text(row: &PgRow) -> Result<&str, Unfit> {
    match Columns::cell(row, 0)? {
        Cell::Text(text) => Ok(text),
        other => Err(Unfit::because(format!("{other:?} is no text"))),
    }
}

fn cell(value: PgValueRef<'_>) -> Result<Cell<'_>, BoxDynError> {
    let info = value.type_info();
    match info.name() {
        "INT8" => decode(value).map(Cell::Int),
        "INT4" => decode(value).map(i32::into).map(Cell::Int),
        "INT2" => decode(value).map(i16::into).map(Cell::Int),
        "TEXT" | "VARCHAR" | "NAME" | "BPCHAR" => decode(value).map(Cell::Text),
        "BYTEA" => decode(value).map(Cell::Bytes),
        "BOOL" => decode(value).map(Cell::Bool),
        "FLOAT8" => decode(value).map(Cell::Real),
        // All our queries are prepared, and prepared statements return binary values.
        "TIMESTAMPTZ" if value.format() == PgValueFormat::Binary => {
            decode(value).map(|micros: i64| Cell::Int(micros + POSTGRES_EPOCH_MICROS))
        }
        name => Err(format!("cannot read the type {name}").into()),
    }
}

fn decode<'r, T: Decode<'r, Postgres>>(value: PgValueRef<'r>) -> Result<T, BoxDynError> {
    T::decode(value)
}
