//! Converts colours to sRGB: those of an embedded ICC profile, and those of print. A profile that is broken, or
//! of another kind of colours than its image, is ignored: the image then counts as sRGB.

use std::fmt;
use std::sync::Arc;

use image::RgbaImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};

/// Largest profile, in bytes. Those of printers have 3 MB, all others a few KB.
pub(super) const PROFILE_MAX: usize = 4 << 20;

/// What the samples of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// One sample.
    Grey,
    /// Three samples.
    Rgb,
    /// Four samples: cyan, magenta, yellow, black; 255 is the most ink.
    Cmyk,
}

/// An image's colour profile.
pub(super) struct IccProfile {
    colours: Colours,
    to_srgb: Arc<Transform8BitExecutor>,
}

impl fmt::Debug for IccProfile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("IccProfile").field("colours", &self.colours).finish_non_exhaustive()
    }
}

impl IccProfile {
    /// The embedded profile of an image. Many grey images have a profile for RGB, which is right for them too.
    pub(super) fn parse(icc: &[u8], image: Colours) -> Option<Self> {
        let profile = Some(icc).filter(|icc| icc.len() <= PROFILE_MAX)?;
        let profile = ColorProfile::new_from_slice(profile).ok()?;
        let (colours, from, to) = match profile.color_space {
            DataColorSpace::Gray => (Colours::Grey, Layout::GrayAlpha, Layout::Rgba),
            DataColorSpace::Rgb => (Colours::Rgb, Layout::Rgba, Layout::Rgba),
            // Four samples, of which none is alpha.
            DataColorSpace::Cmyk => (Colours::Cmyk, Layout::Rgba, Layout::Rgb),
            _ => return None,
        };
        let fits = colours == image || (colours, image) == (Colours::Rgb, Colours::Grey);
        let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
        let to_srgb = profile.create_transform_8bit(from, &srgb, to, options);
        to_srgb.ok().filter(|_| fits).map(|to_srgb| Self { colours, to_srgb })
    }

    /// Converts an image in place: of grey ones, whose three colours are the same, and those in RGB.
    pub(super) fn convert(&self, image: &mut RgbaImage) {
        let width = 4 * image.width() as usize;
        for row in image.chunks_exact_mut(width) {
            let pixels = row.as_chunks::<4>().0.iter();
            let from: Vec<u8> = match self.colours {
                Colours::Grey => pixels.flat_map(|[grey, _, _, alpha]| [*grey, *alpha]).collect(),
                _ => row.to_vec(),
            };
            if self.to_srgb.transform(&from, row).is_err() {
                return;
            }
        }
    }
}

/// Converts a row of inks to RGB.
pub(super) fn print_row(profile: Option<&IccProfile>, inks: &[u8], rgb: &mut [u8]) {
    if profile.is_some_and(|profile| profile.to_srgb.transform(inks, rgb).is_ok()) {
        return;
    }
    let pixels = rgb.as_chunks_mut::<3>().0.iter_mut();
    for (to, [cyan, magenta, yellow, black]) in pixels.zip(inks.as_chunks::<4>().0) {
        let light = |ink: &u8| u32::from(255 - ink) * u32::from(255 - black);
        *to = [cyan, magenta, yellow].map(|ink| ((light(ink) + 127) / 255) as u8);
    }
}

#[cfg(test)]
#[path = "colour_tests.rs"]
mod tests;
