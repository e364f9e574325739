//! Keyset pagination: pages are addressed by the last row's key, never by an offset. Rows that keep their
//! place in the order are neither skipped nor repeated, however many are added. HTTP makes the cursors.

/// The minimum and maximum page size.
pub const SIZES: std::ops::RangeInclusive<i64> = 1..=100;
/// The default page size.
pub const DEFAULT_SIZE: i64 = 50;

/// Which page of a list, in the list's own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageRequest<P> {
    /// The first.
    First,
    /// The one that begins after a place.
    After(P),
    /// The one that ends before a place.
    Before(P),
}

/// A page, with the places where its neighbours join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P> {
    /// The rows, in the list's order.
    pub rows: Vec<T>,
    /// Where the previous page ends, where there is one.
    pub previous: Option<P>,
    /// Where the next page begins, where there is one.
    pub next: Option<P>,
}

impl<T, P> Page<T, P> {
    /// Of rows read from the turn's place outwards, nearest first, one more than `size` where
    /// there are as many.
    pub fn of(
        request: &PageRequest<P>,
        mut rows: Vec<T>,
        size: i64,
        key: impl Fn(&T) -> P,
    ) -> Self {
        let size = usize::try_from(size).unwrap_or(1);
        let more = rows.len() > size;
        rows.truncate(size);
        let backwards = matches!(request, PageRequest::Before(_));
        if backwards {
            rows.reverse();
        }
        let (has_previous, has_next) =
            if backwards { (more, true) } else { (matches!(request, PageRequest::After(_)), more) };
        Self {
            previous: rows.first().filter(|_| has_previous).map(&key),
            next: rows.last().filter(|_| has_next).map(&key),
            rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Page, PageRequest};

    /// Reads a list of numbers as a store would.
    fn page(list: &[i32], request: PageRequest<i32>, size: usize) -> Page<i32, i32> {
        let rows: Vec<i32> = match request {
            PageRequest::First => list.iter().take(size + 1).copied().collect(),
            PageRequest::After(at) => {
                list.iter().filter(|n| **n > at).take(size + 1).copied().collect()
            }
            PageRequest::Before(at) => {
                list.iter().rev().filter(|n| **n < at).take(size + 1).copied().collect()
            }
        };
        Page::of(&request, rows, i64::try_from(size).expect("small"), |n| *n)
    }

    #[test]
    fn walking_there_and_back_meets_every_row_once() {
        let list: Vec<i32> = (1..=7).collect();
        let mut forth = vec![page(&list, PageRequest::First, 3)];
        while let Some(at) = forth.last().and_then(|p| p.next) {
            forth.push(page(&list, PageRequest::After(at), 3));
        }
        assert_eq!(forth.iter().flat_map(|p| p.rows.clone()).collect::<Vec<_>>(), list);

        let mut back = forth.pop().into_iter().collect::<Vec<_>>();
        while let Some(at) = back.last().and_then(|p| p.previous) {
            back.push(page(&list, PageRequest::Before(at), 3));
        }
        assert_eq!(back.iter().rev().flat_map(|p| p.rows.clone()).collect::<Vec<_>>(), list);
        assert_eq!(back.last().and_then(|p| p.previous), None);
    }
}
