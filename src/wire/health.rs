//! Health checks as load balancers and supervisors see them.

use serde::Serialize;
use utoipa::ToSchema;

/// A node that works.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
    /// How far the system clock is ahead of the database's, if it is not correct to the second. The node does not
    /// depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub clock_offset_ms: Option<i64>,
    /// Whether the node is connected to NATS, if it has to be. Without it, delivery to other nodes is delayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bus: Option<BusState>,
}

impl Health {
    /// Nothing else is known.
    pub const OK: Self = Self { status: "ok", clock_offset_ms: None, bus: None };
}

/// Whether a node is connected to NATS.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BusState {
    /// It is.
    Ok,
    /// It is not.
    Away,
}

/// A node that cannot serve.
#[derive(Serialize, ToSchema)]
pub struct NotReady {
    /// What is wrong, in English.
    pub detail: String,
    /// The same in a word.
    pub reason: NotReadyReason,
}

/// Why a node cannot serve.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotReadyReason {
    /// It shuts down.
    Draining,
    /// Its database does not answer, or does not accept writes.
    Database,
    /// Its database has the schema of another release.
    Migrations,
}
