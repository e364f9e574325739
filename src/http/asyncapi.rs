//! The AsyncAPI document of the socket, made of the frames in `wire`; `socket_frames` names them. It describes
//! what `wire` and `realtime` do, and decides nothing.

use serde_json::{Map, Value, json};

use crate::realtime::close::{Close, Reconnect};
use crate::realtime::heartbeat::DEAD_AFTER;
use crate::realtime::socket::AUTH_TIMEOUT;
use crate::realtime::transport::MESSAGE_MAX;
use crate::wire::client_frames;
use crate::wire::frames::{self, HEARTBEAT};
use crate::wire::presence::WATCH_MAX;

use super::socket_frames::{self, CHANNEL, Result, Side};

const ABOUT: &str = "\
The database is the source of truth; the socket only makes it faster. On a connection, the versioned \
events of a chat arrive in the order of their versions, each once, without gaps. When the server cannot \
keep this promise it sends `resync`, and `sync` returns what was missed. Clients must ignore fields and \
types of frames that they do not know: more may be added.";

const ON_THE_SOCKET: &str = "\
Frames are JSON objects in text messages. A request may carry an `id`, which its `ack`, `pong` or \
`error` repeats; without one, only errors are answered. Requests run concurrently, sends in the order in \
which they arrive. Text that is not a JSON object is answered with `error invalid`, and the socket stays \
open. A client authenticates with the `Authorization` header, with a ticket, or with `auth` as its first \
frame. An invalid header or ticket is answered with 401 before the upgrade, a foreign `Origin` with 403. \
The socket outlives its access token, and is closed within a second after its session ends.";

/// The document, for messages of at most `message_length` characters.
pub fn socket_document(message_length: usize) -> Result<Value> {
    let ((clients, mut named), (servers, also)) =
        (client_frames::schemas(message_length), frames::schemas());
    named.extend(also);
    let mut schemas = socket_frames::titled(named)?;
    let (mut messages, mut operations) = (Map::new(), Map::new());
    for side in [Side::client(clients)?, Side::server(servers)?] {
        schemas.extend(side.schemas());
        messages.extend(side.messages());
        operations.extend(side.operations());
    }
    let reference =
        |key: &String| (key.clone(), json!({"$ref": format!("#/components/messages/{key}")}));
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Meowsenger's socket",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "contact": {"name": "Meowsenger"},
            "tags": [{"name": "messenger", "description": "Chats, messages and presence"}],
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/json",
        "servers": {
            "node": {
                "host": "{host}",
                "protocol": "ws",
                "description": "Any node. `wss` behind a proxy that terminates TLS.",
                "variables": {"host": {"default": "localhost:8000"}},
                "security": [
                    {"$ref": "#/components/securitySchemes/bearer"},
                    {"$ref": "#/components/securitySchemes/ticket"},
                ],
            },
        },
        "channels": {
            CHANNEL: {
                "address": "/ws/",
                "title": "The socket",
                "description": ON_THE_SOCKET,
                "messages": messages.keys().map(reference).collect::<Map<_, _>>(),
                "bindings": {"ws": {
                    "method": "GET",
                    "query": {"type": "object", "properties": {"ticket": {
                        "type": "string",
                        "description": "From `POST /api/auth/ws-ticket/`. It opens one socket.",
                    }}},
                    "bindingVersion": "0.1.0",
                }},
                "x-limits": limits(),
                "x-close-codes": close_codes(),
            },
        },
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token. Without one, `auth` has to be the first frame.",
                },
                "ticket": {
                    "type": "httpApiKey",
                    "name": "ticket",
                    "in": "query",
                    "description": "From `POST /api/auth/ws-ticket/`, for clients that cannot set headers.",
                },
            },
        },
    }))
}

fn limits() -> Value {
    json!({
        "message_bytes": MESSAGE_MAX,
        "auth_seconds": AUTH_TIMEOUT.as_secs(),
        "ping_after_seconds": HEARTBEAT,
        "dropped_after_seconds": DEAD_AFTER.as_secs(),
        "watched_users": WATCH_MAX,
        "sockets_per_user": "`MAX_SOCKETS_PER_USER`, 20 by default, on all nodes together",
        "queue": "256 KiB. A slow consumer receives `resync`, or is closed with 4008",
        "requests": "`THROTTLE_USER`, 1200 a minute by default, shared with REST, with bursts of up to 2.5 \
                     times that. `sync` and `status.watch` count as ten. While 64 are in progress, or \
                     the client does not read its replies, no more frames are read",
        "sends": "`THROTTLE_MESSAGES`, 20 a second by default, with bursts of up to 2.5 times that. Edits, \
                  deletions, reactions and pins count as well",
        "frames": "five times the rate of sends. As many again are refused, then the socket is closed with 4029",
    })
}

fn close_codes() -> Vec<Value> {
    let documented = Close::DOCUMENTED.into_iter().filter_map(|(close, description, reconnect)| {
        let frame = close.frame()?;
        Some(json!({
            "code": u16::from(frame.code),
            "reason": frame.reason.as_str(),
            "description": description,
            "reconnect": reconnect == Reconnect::Yes,
        }))
    });
    let own = json!({
        "code": 1000,
        "reason": "",
        "description": "The client closed the socket. The server repeats the client's code.",
        "reconnect": true,
    });
    [own].into_iter().chain(documented).collect()
}
