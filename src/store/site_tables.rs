//! The tables of a site as an export has them: which ones, in which order, and their columns as the database
//! lists them. So a new column needs no change here, and a new table a line: a test compares the lists with
//! the schema. Nothing here reads or writes a row.

use std::fmt::Write;

use serde::Deserialize;

use super::db::Tx;
use super::dynamic;
use super::error::Result;
use super::query::Dialects;

/// A table of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteTable {
    /// Its name.
    pub name: &'static str,
    /// Its primary key: the order of the rows.
    key: &'static str,
}

const fn table(name: &'static str, key: &'static str) -> SiteTable {
    SiteTable { name, key }
}

/// The table with the epoch. A new database has its row already.
pub const SITE: &str = "site";

/// The tables of an export. No row refers to a row of a later table.
pub const EXPORTED: &[SiteTable] = &[
    table(SITE, "id"),
    table("users", "id"),
    table("login_names", "name_key"),
    table("name_pieces", "piece, user_id"),
    table("sessions", "id"),
    table("spent_refreshes", "jti"),
    table("chats", "id"),
    table("members", "chat_id, user_id"),
    table("messages", "id"),
    table("attachments", "id"),
    table("reactions", "id"),
    table("mentions", "chat_id, user_id, seq"),
    table("blocks", "user_id, target_id"),
    table("invites", "id"),
    table("reports", "id"),
    table("departures", "id"),
    table("audit", "id"),
];

/// The tables that are not exported, with the reason.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("migrations", "each database has its own"),
    ("nodes", "the servers that run now"),
    ("presence", "who is connected to them"),
    ("tickets", "they are valid for seconds"),
    ("throttles", "rate limits begin anew"),
    ("counters", "how busy these nodes were"),
    ("figures", "they are counted anew"),
    ("search_state", "the search index is made anew"),
    ("search_segments", "the search index is made anew"),
    ("search_pages", "the search index is made anew"),
    ("search_changes", "the search index is made anew"),
];

/// A table with its columns.
#[derive(Clone, Debug)]
pub struct TableLayout {
    /// The table.
    pub table: SiteTable,
    /// Its columns, in the order of the schema.
    pub columns: Vec<ColumnLayout>,
}

/// A column, as an export has it.
#[derive(Clone, Debug)]
pub struct ColumnLayout {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
    /// Whether it may be null.
    pub nullable: bool,
    /// Its type in this database.
    sql_type: String,
}

/// What a column's values are in an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A number; a time is one of microseconds since 1970, in UTC.
    Integer,
    /// A text.
    Text,
    /// `true` or `false`.
    Boolean,
}

#[derive(Deserialize)]
struct CatalogRow {
    table_name: String,
    column_name: String,
    data_type: String,
    nullable: i64,
}

/// The exported tables that the database has, in the order of [`EXPORTED`].
pub async fn layouts(tx: &mut Tx) -> Result<Vec<TableLayout>> {
    let rows: Vec<CatalogRow> = tx
        .query(Dialects {
            sqlite: "select m.name as table_name, c.name as column_name, c.type as data_type, \
                            (c.\"notnull\" = 0 and c.pk = 0) as nullable \
                     from sqlite_master m join pragma_table_info(m.name) c \
                     where m.type = 'table' order by m.name, c.cid",
            postgres: "select table_name::text, column_name::text, data_type::text, \
                              (is_nullable = 'YES')::int::bigint as nullable \
                       from information_schema.columns where table_schema = current_schema() \
                       order by table_name, ordinal_position",
        })
        .all()
        .await?;
    let layout = |table: &SiteTable| {
        let own = rows.iter().filter(|row| row.table_name == table.name).map(column);
        let columns: Vec<_> = own.collect();
        (!columns.is_empty()).then_some(TableLayout { table: *table, columns })
    };
    Ok(EXPORTED.iter().filter_map(layout).collect())
}

fn column(row: &CatalogRow) -> ColumnLayout {
    let sql_type = row.data_type.to_lowercase();
    let kind = match sql_type.as_str() {
        "text" => ColumnKind::Text,
        "boolean" => ColumnKind::Boolean,
        // What else there may be fails at the first value.
        _ => ColumnKind::Integer,
    };
    ColumnLayout { name: row.column_name.clone(), kind, nullable: row.nullable == 1, sql_type }
}

impl TableLayout {
    /// Selects each row as a text: a JSON object.
    pub(super) fn select(&self, is_sqlite: bool) -> String {
        let values = self.columns.iter().map(|column| {
            let value = if is_sqlite { column.read_sqlite() } else { column.read_postgres() };
            format!("'{}', {value}", column.name)
        });
        let values = values.collect::<Vec<_>>().join(", ");
        let SiteTable { name, key } = self.table;
        match is_sqlite {
            true => format!("select json_object({values}) from \"{name}\" order by {key}"),
            false => {
                format!("select json_build_object({values})::text from \"{name}\" order by {key}")
            }
        }
    }

    /// Inserts the rows in a list of JSON objects, `$1`.
    pub(super) fn insert(&self, is_sqlite: bool) -> String {
        let list = |text: fn(&ColumnLayout) -> String| {
            self.columns.iter().map(text).collect::<Vec<_>>().join(", ")
        };
        let mut sql =
            format!("insert into \"{}\" ({}) ", self.table.name, list(ColumnLayout::quoted));
        // A String takes everything.
        let _ = match is_sqlite {
            true => write!(sql, "select {} from json_each($1)", list(ColumnLayout::of_json)),
            false => write!(
                sql,
                "select {} from json_to_recordset($1::text::json) as r({})",
                list(ColumnLayout::of_record),
                list(ColumnLayout::declared)
            ),
        };
        sql
    }
}

impl ColumnLayout {
    fn quoted(&self) -> String {
        format!("\"{}\"", self.name)
    }

    fn is_time(&self) -> bool {
        self.sql_type == "timestamp with time zone"
    }

    fn read_sqlite(&self) -> String {
        let name = self.quoted();
        match self.kind {
            // SQLite has no booleans; null stays null.
            ColumnKind::Boolean => {
                format!("json(case {name} when 0 then 'false' when 1 then 'true' end)")
            }
            ColumnKind::Integer | ColumnKind::Text => name,
        }
    }

    /// Whole seconds and the rest apart: no number with a fraction is exact on every version.
    fn read_postgres(&self) -> String {
        let name = self.quoted();
        match self.is_time() {
            true => format!(
                "extract(epoch from date_trunc('second', {name}))::bigint * 1000000 \
                 + extract(microseconds from {name})::bigint % 1000000"
            ),
            false => name,
        }
    }

    fn of_json(&self) -> String {
        format!("value ->> '{}'", self.name)
    }

    fn of_record(&self) -> String {
        let name = format!("r.\"{}\"", self.name);
        match self.is_time() {
            true => format!(
                "to_timestamp({name} / 1000000) + ({name} % 1000000) * interval '1 microsecond'"
            ),
            false => name,
        }
    }

    fn declared(&self) -> String {
        let sql_type = if self.is_time() { "bigint" } else { &self.sql_type };
        format!("\"{}\" {sql_type}", self.name)
    }
}

/// The last id that each table has assigned, by table: it must not be assigned again, even if its row is gone.
pub async fn last_ids(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    tx.query(Dialects {
        sqlite: "select name, seq from sqlite_sequence order by name",
        postgres: "select table_name::text, coalesce(pg_sequence_last_value( \
                       pg_get_serial_sequence(quote_ident(table_name), column_name)::regclass), 0) \
                   from information_schema.columns \
                   where table_schema = current_schema() and is_identity = 'YES' order by table_name",
    })
    .all()
    .await
}

/// The first exported table that has rows, if there is one. That of the epoch does not count.
pub async fn first_with_rows(tx: &mut Tx, layouts: &[TableLayout]) -> Result<Option<String>> {
    let names = layouts.iter().map(|layout| layout.table.name).filter(|name| *name != SITE);
    let cases = names.map(|name| format!(" when exists (select 1 from \"{name}\") then '{name}'"));
    let cases: String = cases.collect();
    if cases.is_empty() {
        return Ok(None);
    }
    let rows: Vec<(String,)> = dynamic::rows(tx, format!("select case{cases} else '' end")).await?;
    Ok(rows.into_iter().next().map(|(name,)| name).filter(|name| !name.is_empty()))
}

/// How many rows a table has.
pub async fn count(tx: &mut Tx, layout: &TableLayout) -> Result<u64> {
    let sql = format!("select count(*) from \"{}\"", layout.table.name);
    let rows: Vec<(i64,)> = dynamic::rows(tx, sql).await?;
    Ok(rows.first().map_or(0, |(count,)| count.unsigned_abs()))
}
