//! Scales an image down while it is decoded, so that only the small one is in memory. Pixels may come in any
//! order. Knows no file format.

use image::{Rgba, RgbaImage};

/// Sums over the pixels that fall into one pixel of the result: the colours, weighted by opacity, and the
/// opacity. They stay below 2³² for 40 megapixels and a result of 1,024 pixels a side: each pixel adds at
/// most 255 × 255.
type Sums = [u32; 4];

/// An image of any size, held at a bounded one. Pixels that are never drawn are transparent.
#[derive(Debug)]
pub(super) struct Canvas {
    columns: Axis,
    rows: Axis,
    sums: Vec<Sums>,
}

/// How the pixels along one axis map to fewer.
#[derive(Debug)]
struct Axis {
    /// Length before and after scaling.
    from: u32,
    to: u32,
    /// `to / from`, as a multiple of 2⁻³².
    step: u64,
}

impl Axis {
    fn new(from: u32, to: u32) -> Self {
        Self { from, to, step: (u64::from(to) << 32) / u64::from(from) }
    }

    /// The pixel of the result that a pixel belongs to. Each gets at least one.
    fn target(&self, at: u32) -> usize {
        ((u64::from(at) * self.step) >> 32) as usize
    }

    /// How many pixels belong to each pixel of the result.
    fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.to as usize];
        for at in 0..self.from {
            counts[self.target(at)] += 1;
        }
        counts
    }
}

impl Canvas {
    /// For an image of this size, with no side of 0, scaled to at most `side`.
    pub(super) fn new(width: u32, height: u32, side: u32) -> Self {
        let longest = u64::from(width.max(height));
        let scaled = |length: u32| match longest > u64::from(side) {
            true => {
                let scaled = (u64::from(length) * u64::from(side) + longest / 2) / longest;
                u32::try_from(scaled).unwrap_or(side).max(1)
            }
            false => length,
        };
        let (columns, rows) = (Axis::new(width, scaled(width)), Axis::new(height, scaled(height)));
        let sums = vec![[0; 4]; columns.to as usize * rows.to as usize];
        Self { columns, rows, sums }
    }

    /// Draws pixels of one row: the first at `x`, the others `step` apart. Pixels outside of the image are
    /// ignored.
    pub(super) fn draw(
        &mut self,
        (x, y): (u32, u32),
        step: u32,
        pixels: impl Iterator<Item = [u8; 4]>,
    ) {
        if y >= self.rows.from {
            return;
        }
        let begin = self.rows.target(y) * self.columns.to as usize;
        let row = &mut self.sums[begin..begin + self.columns.to as usize];
        for (x, [red, green, blue, alpha]) in
            (x..self.columns.from).step_by(step as usize).zip(pixels)
        {
            let sums = &mut row[self.columns.target(x)];
            let weight = u32::from(alpha);
            sums[0] += u32::from(red) * weight;
            sums[1] += u32::from(green) * weight;
            sums[2] += u32::from(blue) * weight;
            sums[3] += weight;
        }
    }

    /// The scaled image.
    pub(super) fn finish(self) -> RgbaImage {
        let (columns, rows) = (self.columns.counts(), self.rows.counts());
        RgbaImage::from_fn(self.columns.to, self.rows.to, |x, y| {
            let [red, green, blue, alpha] = self.sums[(y * self.columns.to + x) as usize];
            let colour = |sum: u32| mean(sum, alpha);
            let pixels = columns[x as usize] * rows[y as usize];
            Rgba([colour(red), colour(green), colour(blue), mean(alpha, pixels)])
        })
    }
}

fn mean(sum: u32, weight: u32) -> u8 {
    match weight {
        0 => 0,
        // A mean of bytes is a byte.
        _ => ((u64::from(sum) + u64::from(weight) / 2) / u64::from(weight)).min(255) as u8,
    }
}
