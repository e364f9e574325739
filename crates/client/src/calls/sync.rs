//! Sync.

use crate::call::Call;
use crate::errors::Result;
use crate::rest::Client;
use crate::types::{SyncRequest, SyncResponse};

impl Client {
    /// Asks for everything newer than the known versions. A [`Connection`](crate::Connection) does
    /// this by itself.
    pub async fn sync(&self, request: &SyncRequest) -> Result<SyncResponse> {
        self.run(Call::post("/api/sync/", request).idempotent()).await
    }
}
