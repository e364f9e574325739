//! Closed loops of HTTP requests: each connection sends its next request when it has the answer to the one
//! before. Knows no scenario.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::Result;
use crate::figures::{Done, Figures, Latencies, Meter, latencies};
use crate::http::Connection;
use crate::site::Site;

/// How long a measurement takes, and the time before it in which the same is done unmeasured.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub warm_up: Duration,
    pub measured: Duration,
}

/// Connections that are kept between warming up and measuring.
pub struct Clients {
    connections: Vec<Connection>,
    /// Requests made so far, by connection.
    turns: Vec<u64>,
}

/// Writes the request of a connection's turn into an empty buffer.
pub trait Requests: Fn(usize, u64, &mut Vec<u8>) {}
impl<F: Fn(usize, u64, &mut Vec<u8>)> Requests for F {}

impl Clients {
    pub async fn open(address: SocketAddr, count: usize) -> Result<Self> {
        let connections = try_join_all((0..count).map(|_| Connection::open(address))).await?;
        Ok(Self { turns: vec![0; count], connections })
    }

    /// Sends requests for some time.
    pub async fn drive(&mut self, duration: Duration, requests: &impl Requests) -> Result<Done> {
        let until = Instant::now() + duration;
        let times = RefCell::new(latencies()?);
        let loops = self.connections.iter_mut().zip(&mut self.turns).enumerate();
        let loops = loops.map(|(number, (connection, turn))| {
            drive_one(connection, number, turn, until, requests, &times)
        });
        try_join_all(loops).await?;
        let times = times.into_inner();
        Ok(Done { operations: times.len(), latencies: Some(times), ..Done::default() })
    }
}

async fn drive_one(
    connection: &mut Connection,
    number: usize,
    turn: &mut u64,
    until: Instant,
    requests: &impl Requests,
    times: &RefCell<Latencies>,
) -> Result {
    let mut request = Vec::new();
    let mut began = Instant::now();
    while began < until {
        request.clear();
        requests(number, *turn, &mut request);
        *turn += 1;
        connection.call(&request).await?;
        let ended = Instant::now();
        times.borrow_mut().saturating_record((ended - began).as_micros() as u64);
        began = ended;
    }
    Ok(())
}

/// Measures a site with so many connections.
pub async fn measure(
    site: &Site,
    pace: Pace,
    connections: usize,
    requests: impl Requests,
) -> Result<Figures> {
    let mut clients = Clients::open(site.address, connections).await?;
    clients.drive(pace.warm_up, &requests).await?;
    let meter = Meter::of(site)?;
    let done = clients.drive(pace.measured, &requests).await?;
    meter.end(done)
}
