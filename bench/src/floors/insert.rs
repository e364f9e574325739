//! Rows that are committed to the disk: one by one, or many in a transaction. On one connection, with
//! prepared statements, into a table that has only its key.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::params;
use tokio::task::spawn_blocking;

use crate::Result;
use crate::cpu::Processes;
use crate::database::Database;
use crate::figures::{Done, Figures, Latencies, Meter, latencies};
use crate::load::Pace;
use crate::site::{Backend, Site};

const CONTENT: &str = "Meow, as long as people write on an ordinary day.";

const TABLE: &str = "create table floor (id integer primary key, chat_id bigint not null, seq bigint not null, \
                     sender_id bigint not null, content text not null, client_id text)";

/// Inserts with so many rows in a transaction. Latency is that of a transaction.
pub async fn measure(site: &Site, pace: Pace, rows: usize) -> Result<Figures> {
    match site.backend {
        Backend::Sqlite => {
            let file = site.folder().join("floor.sqlite3");
            let figures = spawn_blocking(move || sqlite(&file, pace, rows)).await?;
            for ending in ["", "-wal", "-shm"] {
                std::fs::remove_file(site.folder().join(format!("floor.sqlite3{ending}"))).ok();
            }
            figures
        }
        Backend::Postgres => postgres(site, pace, rows).await,
    }
}

fn sqlite(file: &Path, pace: Pace, rows: usize) -> Result<Figures> {
    let connection = rusqlite::Connection::open(file)?;
    connection.execute_batch(&format!(
        "pragma journal_mode = wal; pragma synchronous = full; {TABLE};"
    ))?;
    let insert = "insert into floor (chat_id, seq, sender_id, content, client_id) values (?1, ?2, ?3, ?4, ?5)";
    let mut insert = connection.prepare(insert)?;
    let mut pass = |during: Duration| {
        let mut times = latencies()?;
        let until = Instant::now() + during;
        let mut began = Instant::now();
        while began < until {
            connection.execute_batch("begin immediate")?;
            for row in 0..rows as i64 {
                insert.execute(params![row, row, row, CONTENT, "a-client-id"])?;
            }
            connection.execute_batch("commit")?;
            let ended = Instant::now();
            times.saturating_record((ended - began).as_micros() as u64);
            began = ended;
        }
        Ok::<_, crate::Error>(times)
    };
    pass(pace.warm_up)?;
    let meter = Meter::of_process(Processes::own())?;
    let times = pass(pace.measured)?;
    meter.end(done(times, rows))
}

async fn postgres(site: &Site, pace: Pace, rows: usize) -> Result<Figures> {
    let mut database = site.database().await?;
    database
        .run(TABLE.replace("integer primary", "bigint generated always as identity primary"))
        .await?;
    pass(&mut database, pace.warm_up, rows).await?;
    let meter = Meter::of_own(site)?;
    let times = pass(&mut database, pace.measured, rows).await?;
    let figures = meter.end(done(times, rows));
    database.run("drop table floor".to_owned()).await?;
    database.close().await?;
    figures
}

async fn pass(database: &mut Database, during: Duration, rows: usize) -> Result<Latencies> {
    let Database::Postgres(connection) = database else { return Err("not PostgreSQL".into()) };
    let mut times = latencies()?;
    let until = Instant::now() + during;
    let mut began = Instant::now();
    let (ids, texts): (Vec<_>, Vec<_>) = (0..rows as i64).map(|row| (row, CONTENT)).unzip();
    while began < until {
        // The text stays the same, so it is prepared once.
        sqlx::query(
            "insert into floor (chat_id, seq, sender_id, content, client_id) \
             select id, id, id, content, 'a-client-id' from unnest($1::bigint[], $2::text[]) as t (id, content)",
        )
        .bind(&ids)
        .bind(&texts)
        .execute(&mut *connection)
        .await?;
        let ended = Instant::now();
        times.saturating_record((ended - began).as_micros() as u64);
        began = ended;
    }
    Ok(times)
}

fn done(times: Latencies, rows: usize) -> Done {
    Done { operations: times.len() * rows as u64, latencies: Some(times), ..Done::default() }
}
