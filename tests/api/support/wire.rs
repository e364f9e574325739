//! A wire to a service, which can be cut and mended.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A connection to the bus that can be cut.
pub struct Wire {
    pub url: String,
    open: Arc<watch::Sender<bool>>,
}

impl Wire {
    /// To `nats://host:port`.
    pub async fn to(bus: &str) -> Self {
        let to = bus.trim_start_matches("nats://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("nats://{}", listener.local_addr().expect("an address"));
        let open = Arc::new(watch::Sender::new(true));
        let gate = Arc::clone(&open);
        #[expect(clippy::disallowed_methods, reason = "a wire of its own, not the app's")]
        tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let mut open = gate.subscribe();
                if !*open.borrow() {
                    continue;
                }
                let to = to.clone();
                tokio::spawn(async move {
                    let mut to = TcpStream::connect(&to).await.expect("the bus answers");
                    tokio::select! {
                        _ = copy_bidirectional(&mut from, &mut to) => {}
                        _ = open.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { url, open }
    }

    /// Ends what there is of it, and lets nothing through.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Lets through what connects from now on.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}
