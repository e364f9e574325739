//! Searching a million messages in twenty scripts, by a member of few chats and of a thousand.

use crate::Result;
use crate::figures::Figures;
use crate::http::get;
use crate::load::{Pace, measure};
use crate::site::Site;
use crate::texts;
use crate::world::{FEW, WIDE};

/// How many different requests are prepared.
const VARIETY: usize = 512;

/// What is looked for.
#[derive(Clone, Copy)]
pub enum Find {
    /// One of a script's commonest words.
    Common,
    /// Two of them.
    Pair,
    /// A word that a few messages have.
    Rare,
    /// A letter, with which many words begin.
    Letter,
    /// A common word of a script that no chat of the user has.
    Foreign,
}

/// Searches, one after the other, as a member of 5 chats or of 1,000.
pub async fn run(site: &Site, pace: Pace, find: Find, wide: bool) -> Result<Figures> {
    let token = site.world.token(if wide { WIDE } else { FEW });
    let requests: Vec<_> = (0..VARIETY)
        .map(|number| {
            let query = query(find, number, if wide { texts::COUNT } else { 5 });
            let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
            get(&format!("/api/messages/search/?q={query}"), &token)
        })
        .collect();
    let mut figures = measure(site, pace, 1, |_, turn, request| {
        request.extend_from_slice(&requests[turn as usize % VARIETY]);
    })
    .await?;
    // What the slowest words cost, which the median hides.
    figures.others.extend(figures.p95.map(|p95| ("p95, ms".to_owned(), p95)));
    Ok(figures)
}

/// The user has chats of the first so many scripts.
fn query(find: Find, number: usize, scripts: usize) -> String {
    let (script, varied) = (number % scripts, number as u32);
    match find {
        Find::Common => texts::word(script, varied / 20 % 3),
        Find::Pair => format!("{} {}", texts::word(script, 1), texts::word(script, varied % 3 + 2)),
        Find::Rare => texts::word(script, 10_000 + varied * 17 % 9_000),
        Find::Letter => texts::word(script, varied / 20 % 19),
        Find::Foreign => texts::word(14, varied % 3),
    }
}
