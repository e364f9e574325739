//! What the simulation must find: faults that are planted around the hub, and promises that they break.

/// A planted fault of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Gaps are neither filled nor skipped.
    GapsStayOpen,
    /// Users who leave a chat stay subscribed.
    DeparturesIgnored,
    /// Users who join a chat are not subscribed.
    JoinsIgnored,
    /// A frame is written twice.
    WrittenTwice,
    /// Frames are written in the wrong order.
    WrittenInReverse,
    /// An event is lost between the queue and the socket.
    NotWritten,
    /// `resync` is not sent.
    NoResync,
}

/// A promise to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// Former members receive nothing that happened after they left.
    MembersOnly,
    /// Each event is received once, in the order of its chat's versions.
    OnceInOrder,
    /// A `resync` precedes the event after a missing one.
    NoSilentGap,
    /// `chat.created` precedes the events of a chat.
    CreatedFirst,
    /// In the end, each client knows its user's chats at their latest versions.
    Converges,
}

/// A broken promise, and how it was broken.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) promise: Promise,
    pub(super) context: String,
}

impl Promise {
    /// An error unless the promise is kept.
    pub(super) fn check(
        self,
        is_kept: bool,
        context: impl FnOnce() -> String,
    ) -> Result<(), Broken> {
        if is_kept { Ok(()) } else { Err(Broken { promise: self, context: context() }) }
    }
}
