//! Another product that does the same, already running and filled, measured in the same run by the same load
//! generator. It is described by a file; docs/performance.md says how.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

use crate::Result;
use crate::cpu::Processes;
use crate::figures::{Figures, Meter};
use crate::load::{Clients, Pace};

/// What the file says.
#[derive(Debug, Deserialize)]
pub struct Rival {
    /// Its name in the tables.
    pub name: String,
    /// Where it listens for HTTP.
    address: SocketAddr,
    /// The process whose CPU time counts, together with its children.
    pid: i32,
    /// Its requests, by the names of the scenarios that they correspond to.
    calls: BTreeMap<String, Request>,
}

/// A request. In its path and body, `{n}` is a number that is different each time.
#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

impl Rival {
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()).into())
    }

    /// Measures the request that corresponds to a scenario, over so many connections. `None` if there is
    /// none.
    pub async fn measure(
        &self,
        scenario: &str,
        pace: Pace,
        connections: usize,
    ) -> Result<Option<Figures>> {
        let Some(request) = self.calls.get(scenario) else { return Ok(None) };
        let mut clients = Clients::open(self.address, connections).await?;
        let first = fastrand::u32(..);
        let requests = |number, turn, to: &mut Vec<u8>| {
            to.extend_from_slice(&request.bytes(&format!("{first}{number:04}{turn:08}")));
        };
        clients.drive(pace.warm_up, &requests).await?;
        let meter = Meter::of_process(Processes::Family(self.pid))?;
        let done = clients.drive(pace.measured, &requests).await?;
        meter.end(done).map(Some)
    }
}

impl Request {
    fn bytes(&self, number: &str) -> Vec<u8> {
        let (path, body) = (self.path.replace("{n}", number), self.body.replace("{n}", number));
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "{} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{}content-length: {}\r\n\r\n{body}",
            self.method,
            headers.collect::<String>(),
            body.len()
        )
        .into_bytes()
    }
}
