//! The indexes that the migrations create, compared with those of the database. A missing one makes calls
//! slow; a missing unique one lets two requests at once break an invariant.

use crate::store::db::Tx;
use crate::store::error::Result;
use crate::store::migrations;
use crate::store::query::{Dialects, Target};

/// An index that the migrations create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// The statement that creates it.
    pub sql: String,
}

/// The indexes that the database lacks. (On PostgreSQL also one whose concurrent creation failed.)
pub async fn missing_indexes(at: impl Into<Target<'_>>) -> Result<Vec<Index>> {
    let target = at.into();
    let wanted = indexes(&migrations::script(target.is_sqlite()));
    let present: Vec<String> = target
        .query(Dialects {
            sqlite: "select name from sqlite_schema where type = 'index'",
            postgres: "select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid \
                       where c.relnamespace = current_schema()::regnamespace and i.indisvalid",
        })
        .all()
        .await?;
    Ok(wanted.into_iter().filter(|index| !present.contains(&index.name)).collect())
}

/// Creates an index. Writers of its table wait meanwhile.
pub async fn create_index(tx: &mut Tx, index: &Index) -> Result<()> {
    tx.allow(None).await?;
    let Index { name, sql } = index;
    tx.script(format!("drop index if exists {name}")).await?;
    tx.script(sql.clone()).await
}

/// The indexes that a script of migrations leaves.
fn indexes(script: &str) -> Vec<Index> {
    let lines = script.lines().map(|line| line.split_once("--").map_or(line, |(sql, _)| sql));
    let script = lines.collect::<Vec<_>>().join(" ");
    let mut indexes: Vec<Index> = Vec::new();
    for sql in script.split(';') {
        let words: Vec<_> = sql.split_whitespace().collect();
        let verb = words.first().copied().unwrap_or_default();
        let Some(at) = words.iter().take(3).position(|word| *word == "index") else { continue };
        let name = words[at + 1..].iter().find(|word| !["if", "not", "exists"].contains(word));
        let Some(name) = name.map(|name| (*name).to_owned()) else { continue };
        indexes.retain(|index| index.name != name);
        if verb == "create" {
            indexes.push(Index { name, sql: words.join(" ") });
        }
    }
    indexes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indexes_of_the_migrations_are_found() {
        let script = "create table t (a integer, b text); -- of t\n\
                      create index one on t (a); create unique index if not exists\n two on t (b)\n \
                      where b is not null; drop index one; alter table t add column index_of text;";
        let two = "create unique index if not exists two on t (b) where b is not null";
        assert_eq!(indexes(script), [Index { name: "two".to_owned(), sql: two.to_owned() }]);
        for is_sqlite in [true, false] {
            let names: Vec<_> = indexes(&migrations::script(is_sqlite))
                .into_iter()
                .map(|index| index.name)
                .collect();
            assert!(names.iter().any(|name| name == "messages_client_id"), "{names:?}");
            assert!(names.iter().any(|name| name == "members_listed"), "{names:?}");
        }
    }
}
