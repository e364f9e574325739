//! An HTTP answer without any work: axum over hyper, as the server uses them.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::cpu::Processes;
use crate::figures::{Figures, Meter};
use crate::load::{Clients, Pace};
use crate::{Result, say};

/// Asks it over so many connections.
pub async fn measure(pace: Pace, connections: usize) -> Result<Figures> {
    let server = super::start("http", 0)?;
    let mut clients = Clients::open(server.address()?, connections).await?;
    let request = crate::http::get("/", "");
    let write = |_, _, to: &mut Vec<u8>| to.extend_from_slice(&request);
    clients.drive(pace.warm_up, &write).await?;
    let meter = Meter::of_process(Processes::One(server.pid()?))?;
    let done = clients.drive(pace.measured, &write).await?;
    meter.end(done)
}

#[tokio::main]
pub async fn serve() -> Result {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("http://{}", listener.local_addr()?));
    let answer = async || ([(CONTENT_TYPE, "application/json")], r#"{"status":"ok"}"#);
    Ok(axum::serve(listener, Router::new().route("/", get(answer))).await?)
}
