//! A TCP proxy between a client and nodes, or a node and its database, that fails on demand: it cuts
//! connections, stalls them, and changes where new ones lead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The receive buffer towards a node, in bytes. It is small, so that a node soon notices a stall.
const BUFFER: u32 = 16 * 1024;

/// A proxy on its own port. Its connections end when it is dropped.
pub struct Proxy {
    /// `http://127.0.0.1:PORT`
    pub base: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    targets: watch::Sender<Vec<SocketAddr>>,
    /// Incremented to end all connections.
    cuts: watch::Sender<u64>,
    /// Connections below this number are stalled.
    stalled: watch::Sender<usize>,
    /// The number of the next connection.
    next: AtomicUsize,
    /// Distributes connections among the targets.
    round_robin: AtomicUsize,
}

impl Proxy {
    /// Starts a proxy to the nodes at these base URLs.
    pub async fn start(nodes: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        let proxy = Self { base, shared, _tasks: tasks };
        proxy.lead_to(nodes);
        proxy
    }

    /// Sends new connections to these nodes in turn. Without nodes, they end at once.
    pub fn lead_to(&self, nodes: &[&str]) {
        let address = |node: &&str| node.trim_start_matches("http://").parse().expect("an address");
        self.shared.targets.send_replace(nodes.iter().map(address).collect());
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Stalls all connections, old and new, or lets them go on. They stay open.
    pub fn stall(&self, stalled: bool) {
        self.shared.stalled.send_replace(if stalled { usize::MAX } else { 0 });
    }

    /// Stalls the present connections. New ones work.
    pub fn freeze(&self) {
        self.shared.stalled.send_replace(self.shared.next.load(Ordering::Relaxed));
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(client: TcpStream, shared: Arc<Shared>) {
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    let mut cuts = shared.cuts.subscribe();
    let targets = shared.targets.borrow().clone();
    for _ in 0..targets.len() {
        let next = shared.round_robin.fetch_add(1, Ordering::Relaxed);
        if let Ok(server) = dial(targets[next % targets.len()]).await {
            // Failing to set it only makes the proxy slower.
            drop((client.set_nodelay(true), server.set_nodelay(true)));
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = forward(number, from_client, to_server, shared.stalled.subscribe()) => {}
                () = forward(number, from_server, to_client, shared.stalled.subscribe()) => {}
                _ = cuts.changed() => {}
            }
            return;
        }
    }
}

async fn dial(target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.connect(target).await
}

/// Forwards bytes until either side ends.
async fn forward(
    number: usize,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut stalled: watch::Receiver<usize>,
) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        // A dropped sender means that the test is over.
        drop(stalled.wait_for(|stalled| number >= *stalled).await);
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
