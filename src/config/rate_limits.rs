//! Rate limits. Their variables are named after DRF's throttles.

use crate::domain::rate::{Rate, Rates};

use super::reader::{Reader, boolean};

/// Mails of one kind to one address.
const MAILS: Rate = Rate::hourly(5);

/// Settings of the rate limits.
#[derive(Clone, Debug)]
pub struct RateLimitSettings {
    /// `THROTTLE`
    pub enabled: bool,
    /// The rates of the other settings; none at all if `THROTTLE` is off.
    pub rates: Rates,
}

impl RateLimitSettings {
    pub(super) fn read(from: &mut Reader<'_>) -> Self {
        let enabled = from.get(
            "THROTTLE",
            "on",
            "off disables all rate limits below. A rate is a number per second, min, hour or day;\n\
             bursts of up to 2.5 times the number are allowed. off disables a single limit.",
            boolean,
        );
        let rates = Rates {
            login: from.get(
                "THROTTLE_LOGIN",
                "10/min",
                "Login attempts for an account from an address. Ten times as many are allowed from\n\
                 an address for all accounts, and for an account from all addresses. Counted for\n\
                 all nodes together. As many unknown codes of invites may a user try on a node.",
                rate,
            ),
            register: from.get(
                "THROTTLE_REGISTER",
                "20/hour",
                "Registration attempts from an address. Requests to change a username or e-mail\n\
                 address count too, since they reveal whether a name is taken; they also count for\n\
                 the user.",
                rate,
            ),
            anon: from.get(
                "THROTTLE_ANON",
                "120/min",
                "Requests without a valid token from an address (IPv6: a /64).",
                rate,
            ),
            user: from.get(
                "THROTTLE_USER",
                "1200/min",
                "Requests and WebSocket frames of a user. A `sync` or `status.watch` frame counts as\n\
                 ten.",
                rate,
            ),
            messages: from.get(
                "THROTTLE_MESSAGES",
                "20/second",
                "Messages that a user sends, edits, deletes, reacts to or pins. A socket may send five\n\
                 times as many frames of any kind; it is closed with 4029 if it goes on sending more.",
                rate,
            ),
            members: from.get(
                "THROTTLE_MEMBERS",
                "1000/hour",
                "Members that a user adds to groups. A single request may never add more than a\n\
                 burst. Counted for all nodes together.",
                rate,
            ),
            uploads: from.get(
                "THROTTLE_UPLOADS",
                "60/min",
                "Attachments that a user uploads.",
                rate,
            ),
            reports: from.get(
                "THROTTLE_REPORTS",
                "30/hour",
                "Reports to the staff that a user makes. Counted for all nodes together.",
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
