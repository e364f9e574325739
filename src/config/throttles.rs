//! How often what may be done.

use crate::domain::rate::{Rate, Rates};

use super::reader::{Reader, boolean};

/// Mails of one kind to one address.
const MAILS: Rate = Rate::hourly(5);

/// See the fields.
#[derive(Clone, Debug)]
pub struct Throttles {
    /// `THROTTLE`
    pub enabled: bool,
    /// The other settings; all of them none where `THROTTLE` is off.
    pub rates: Rates,
}

impl Throttles {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let enabled = from.get(
            "THROTTLE",
            "on",
            "off switches off every limit below. A limit is so many per second, min, hour or day;\n\
             two and a half times as many may come at once. off switches off one alone.",
            boolean,
        );
        let rates = Rates {
            login: from.get(
                "THROTTLE_LOGIN",
                "10/min",
                "Tries to log in to an account from an address; ten times as many from an address\n\
                 to any account, and to an account from any address. All nodes count together.",
                rate,
            ),
            register: from.get(
                "THROTTLE_REGISTER",
                "20/hour",
                "Attempts to register, from an address. Requests for another username or\n\
                 e-mail address, which may be taken, count the same, and for the user as well.",
                rate,
            ),
            anon: from.get(
                "THROTTLE_ANON",
                "120/min",
                "Calls without a valid token, from an address (of IPv6: a /64).",
                rate,
            ),
            user: from.get("THROTTLE_USER", "1200/min", "Calls and socket frames of a user. A `sync` or `status.watch` frame counts as ten.", rate),
            messages: from.get(
                "THROTTLE_MESSAGES",
                "20/second",
                "Messages that a user sends, edits or deletes. A socket may send five times as many\n\
                 frames of any kind; what goes on sending more is closed with 4029.",
                rate,
            ),
            members: from.get(
                "THROTTLE_MEMBERS",
                "1000/hour",
                "People that a user adds to groups; never more than a burst at once. All nodes\n\
                 count together.",
                rate,
            ),
            mails: Some(MAILS),
        };
        Self { enabled, rates: if enabled { rates } else { Rates::default() } }
    }
}

fn rate(value: &str) -> Result<Option<Rate>, String> {
    if value.eq_ignore_ascii_case("off") { Ok(None) } else { Rate::parse(value).map(Some) }
}
