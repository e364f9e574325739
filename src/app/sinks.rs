//! The sinks of the one door for publication, [`super::App::publish`]: the parts of a node that act on
//! committed events. A new kind of sink is a variant here.

use crate::domain::event::Event;
use crate::hub::Hub;
use crate::hub::bus::envelope::Reach;

/// A part of the node that acts on events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sink<'a> {
    /// Sockets, on this node and the others.
    Hub(&'a Hub),
}

impl Sink<'_> {
    /// Takes an event that this node has just committed, or read for the first time.
    pub(super) fn publish(self, event: &Event) {
        match self {
            Self::Hub(hub) => hub.publish(event, Reach::AllNodes),
        }
    }

    /// Takes an event that was published before, perhaps by another node, and may not have arrived here.
    pub(super) fn republish(self, event: &Event) {
        match self {
            Self::Hub(hub) => hub.publish(event, Reach::ThisNode),
        }
    }
}
