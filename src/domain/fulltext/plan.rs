//! Which segments of the index become one. A merge makes its result eight times as large as any part of it, so that
//! each message is written some three times. A search reads some thirty segments, and one more for each hundred thousand
//! messages.

use std::ops::Range;

/// So many neighbours that are smaller than one of the limits are merged.
const RUN: usize = 8;
const LIMITS: [i64; 4] = [32 << 10, 256 << 10, 2 << 20, 8 << 20];
/// The largest result. A merge needs about three times as much memory.
const LARGEST: i64 = 16 << 20;

/// The next segments to merge, of sizes in bytes in the order of age.
pub fn to_merge(sizes: &[i64]) -> Option<Range<usize>> {
    LIMITS.iter().find_map(|limit| {
        let mut start = 0;
        let runs = sizes.chunk_by(|one, next| (one < limit) == (next < limit)).map(|run| {
            let range = start..start + run.len();
            start = range.end;
            range
        });
        let mut runs = runs.filter(|run| sizes[run.start] < *limit);
        runs.find_map(|run| worthwhile(sizes, run)).map(|run| fitting(sizes, run))
    })
}

/// The end of a run that is worth a merge. A large segment would be written again for each few small ones.
fn worthwhile(sizes: &[i64], mut run: Range<usize>) -> Option<Range<usize>> {
    let mut total: i64 = sizes[run.clone()].iter().sum();
    while run.len() >= RUN && sizes[run.start] * RUN as i64 > total {
        total -= sizes[run.start];
        run.start += 1;
    }
    (run.len() >= RUN).then_some(run)
}

/// The beginning of a run, as far as it is not too large.
fn fitting(sizes: &[i64], run: Range<usize>) -> Range<usize> {
    let mut total = 0;
    let fits = sizes[run.clone()].iter().take_while(|size| {
        total += **size;
        total <= LARGEST
    });
    run.start..run.start + fits.count().max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_goes_on_until_few_segments_are_left() {
        let (mut sizes, mut written) = (Vec::new(), 0);
        for _ in 0..10_000 {
            sizes.push(20 << 10);
            while let Some(range) = to_merge(&sizes) {
                assert!(range.len() >= 2, "{range:?}");
                let total = sizes[range.clone()].iter().sum::<i64>();
                assert!(total <= LARGEST);
                written += total;
                sizes.splice(range, [total]);
            }
        }
        assert_eq!(sizes.iter().sum::<i64>(), 10_000 * (20 << 10));
        assert!(sizes.len() < 45, "{} segments: {sizes:?}", sizes.len());
        assert!(
            written < 4 * 10_000 * (20 << 10),
            "each is written {} times",
            written / (200 << 20)
        );
    }

    #[test]
    fn only_neighbours_are_merged() {
        let (small, large) = (1, 10 << 20);
        let mut sizes = vec![small; 7];
        sizes.push(large);
        sizes.extend([small; 7]);
        assert_eq!(to_merge(&sizes), None);
        sizes.push(small);
        assert_eq!(to_merge(&sizes), Some(8..16));
    }
}
