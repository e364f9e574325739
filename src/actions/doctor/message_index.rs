//! The check of the index for searching messages: whether a search finds each message by its words. That it has
//! more than there is does no harm, since texts are compared.

use std::collections::HashSet;

use tokio::time::sleep;

use crate::domain::error::Result;
use crate::domain::fulltext::{Gaps, INDEX_RULES, MissingTerms};
use crate::domain::ids::MessageId;
use crate::store::fulltext::{feed, segments, state};

use super::report::{Checkup, Remedy};

/// Messages that are compared at a time, and bytes of their contents: for each batch the segments with ids like
/// theirs are read.
const BATCH: i64 = 10_000;
const BATCH_BYTES: i64 = 8 << 20;
/// Edited messages that wait to be indexed.
const CHANGES: i64 = 100_000;

pub(super) async fn check(checkup: &mut Checkup<'_>) -> Result<()> {
    const REPAIR: &str =
        "lets the server make the index anew, which takes some minutes for a million messages";
    let state = state::state(checkup.db).await?;
    if state.rules != INDEX_RULES {
        // By earlier rules, or not yet: a running server indexes all messages by itself.
        return Ok(());
    }
    let mut missing = missing(checkup, state.indexed_upto).await?;
    if !missing.is_empty() {
        // A running server may have indexed an edit, or merged segments, between two of the statements.
        sleep(checkup.settle).await;
        let again = self::missing(checkup, state.indexed_upto).await?;
        missing.retain(|id| again.contains(id));
    }
    let Some(first) = missing.iter().min() else { return Ok(()) };
    let text =
        format!("it lacks words of {} messages, the first of which is {first}", missing.len());
    let remedy = match checkup.fix {
        false => Remedy::Repairable(REPAIR.to_owned()),
        true => {
            restart(checkup).await?;
            Remedy::Repaired(REPAIR.to_owned())
        }
    };
    checkup.add("message-index", "the index for searching messages".to_owned(), text, remedy);
    Ok(())
}

/// The messages up to this one that the index lacks words of, and that do not wait to be indexed.
async fn missing(checkup: &Checkup<'_>, upto: MessageId) -> Result<HashSet<MessageId>> {
    let mut missing = HashSet::new();
    // Also those that are indexed while the segments are read.
    let mut waiting = waiting(checkup).await?;
    let mut gaps = Gaps::after(MessageId(0));
    while gaps.reached() < upto {
        let (messages, horizon) = feed::next(checkup.db, &gaps, BATCH, BATCH_BYTES).await?;
        if messages.is_empty() {
            break;
        }
        let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
        gaps.found(&ids, horizon);
        let living: HashSet<_> = feed::living(checkup.db, &ids).await?.into_iter().collect();
        let is_due = |id: MessageId| living.contains(&id) && id <= upto;
        let messages: Vec<_> = messages.into_iter().filter(|message| is_due(message.id)).collect();
        missing.extend(compare(checkup, &ids, MissingTerms::of(&messages)).await?);
    }
    waiting.extend(self::waiting(checkup).await?);
    missing.retain(|id| !waiting.contains(id));
    Ok(missing)
}

/// The edited messages that are not indexed as they are now.
async fn waiting(checkup: &Checkup<'_>) -> Result<HashSet<MessageId>> {
    let (_, edited) = feed::changed(checkup.db, CHANGES).await?;
    Ok(edited.into_iter().map(|message| message.id).collect())
}

/// What the segments lack that may have messages with these ids.
async fn compare(
    checkup: &Checkup<'_>,
    ids: &[MessageId],
    mut terms: MissingTerms,
) -> Result<HashSet<MessageId>> {
    let (first, last) = (ids.iter().min().copied(), ids.iter().max().copied());
    let current: Vec<_> =
        segments::current(checkup.db).await?.iter().map(|segment| segment.id).collect();
    for (segment, zones) in segments::zones(checkup.db, &current).await? {
        let ranges = zones.between(None, None);
        if ranges.iter().any(|(from, to)| Some(*from) <= last && first <= Some(*to)) {
            let pages = segments::pages(checkup.db, segment).await?;
            pages.iter().for_each(|page| terms.find_in(&page.data));
        }
    }
    Ok(terms.messages())
}

/// A node that writes the index notices by the generation.
async fn restart(checkup: &Checkup<'_>) -> Result<()> {
    let mut tx = checkup.db.begin().await?;
    let now = checkup.clock.now();
    let generation = state::state(&mut tx).await?.generation;
    state::take(&mut tx, generation, "doctor", now).await?;
    segments::retire(&mut tx, None, now).await?;
    state::restart(&mut tx, INDEX_RULES).await?;
    Ok(tx.commit().await?)
}
