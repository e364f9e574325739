//! A message to many sockets: one `send` for each, by one thread that does nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::cpu::Processes;
use crate::figures::{Done, Figures, Meter};
use crate::load::Pace;
use crate::scenarios::{Audience, Sender};
use crate::ws::RawSocket;
use crate::{Result, say};

/// As long as an event of the server.
const LENGTH: usize = 480;

/// Sends to so many sockets, one message in flight.
pub async fn measure(pace: Pace, sockets: usize) -> Result<Figures> {
    let server = super::start("fanout", sockets)?;
    let address = server.address()?;
    let mut sender = Sender::of(RawSocket::bare(address).await?, 0);
    let mut audience = Vec::with_capacity(sockets);
    for _ in 0..sockets {
        audience.push(RawSocket::bare(address).await?);
    }
    let audience = Audience::of(audience);
    sender.send(&audience, 1, pace.warm_up).await?;
    let meter = Meter::of_process(Processes::One(server.pid()?))?;
    let times = sender.send(&audience, 1, pace.measured).await?;
    let operations = times.len() * sockets as u64;
    meter.end(Done { operations, latencies: Some(times), ..Done::default() })
}

/// Each read from the first connection is a message for all the others.
pub fn serve(sockets: usize) -> Result {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(&format!("http://{}", listener.local_addr()?));
    let (mut sender, _) = listener.accept()?;
    let accept = |_| Ok(listener.accept()?.0);
    let mut audience = (0..sockets).map(accept).collect::<Result<Vec<TcpStream>>>()?;
    let text = format!(r#"{{"type":"message.created","content":"{:<LENGTH$}"}}"#, "Meow");
    let mut frame = vec![0x81, 126];
    frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
    frame.extend_from_slice(text.as_bytes());
    let mut request = [0; 1024];
    while sender.read(&mut request)? > 0 {
        for socket in &mut audience {
            socket.write_all(&frame)?;
        }
    }
    Ok(())
}
