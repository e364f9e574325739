//! Several segments of the index as one.

use super::lists::{self, Allowed, Posting};
use super::pages::{self, IndexPage};

/// One segment of several, oldest first. `keeps` is asked with the number of the segment whether a message's
/// posting in it stays.
pub fn merge(
    segments: &[Vec<IndexPage>],
    keeps: impl Fn(usize, &Posting) -> bool,
) -> Vec<IndexPage> {
    let mut entries: Vec<_> = Vec::new();
    for (number, pages) in segments.iter().enumerate() {
        let all = pages.iter().flat_map(|page| pages::entries(&page.data));
        entries.extend(all.map(|(term, list)| (term, number, list)));
    }
    entries.sort_unstable_by_key(|(term, number, _)| (*term, *number));
    let mut postings = Vec::new();
    let lists = entries.chunk_by(|one, next| one.0 == next.0).filter_map(|same| {
        postings.clear();
        for (_, number, list) in same {
            let before = postings.len();
            let _ = lists::read(list, Allowed::All, &mut postings);
            let new = postings.split_off(before);
            postings.extend(new.into_iter().filter(|posting| keeps(*number, posting)));
        }
        let mut bytes = Vec::new();
        lists::write(&mut postings, &mut bytes);
        (!postings.is_empty()).then(|| (same[0].0.to_vec(), bytes))
    });
    pages::build(lists)
}
