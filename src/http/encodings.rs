//! Content codings: which one a client accepts (RFC 9110, 12.5.3), and how a body is compressed.

use std::io::{self, Write};

use axum::http::{HeaderMap, header};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The level of zstd. Figures for a page of 50 messages (28 kB) are in
/// `docs/decisions/0015-compression.md`.
const ZSTD_LEVEL: i32 = 1;
/// The quality of Brotli.
const BROTLI_QUALITY: u32 = 1;
/// The window of Brotli, as a power of two: 256 KiB. A larger one gains 2 % and costs up to 4 MiB.
const BROTLI_WINDOW: u32 = 18;
/// The level of gzip.
const GZIP_LEVEL: u32 = 2;

/// A content coding. Later ones are preferred where a client has no preference: they are cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Gzip, Self::Brotli, Self::Zstd];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    pub(super) fn compress(self, content: &[u8]) -> io::Result<Vec<u8>> {
        let mut compressed = match self {
            Self::Zstd => zstd::bulk::compress(content, ZSTD_LEVEL)?,
            Self::Gzip => {
                let mut writer = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
                writer.write_all(content)?;
                writer.finish()?
            }
            Self::Brotli => {
                let mut writer =
                    brotli::CompressorWriter::new(Vec::new(), 0, BROTLI_QUALITY, BROTLI_WINDOW);
                writer.write_all(content)?;
                writer.into_inner()
            }
        };
        // It may wait for a slow client.
        compressed.shrink_to_fit();
        Ok(compressed)
    }
}

/// What an `Accept-Encoding` allows, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Accepted {
    /// By [`Coding`].
    codings: [u16; 3],
    /// An answer as it is. If it is not mentioned, it is acceptable and the last resort.
    identity: Option<u16>,
}

impl Accepted {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (mut codings, mut identity, mut rest) = ([None; 3], None, None);
        let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
        for item in lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')) {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let Some(quality) = quality(parameters) else { continue };
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => codings[Coding::Gzip as usize] = Some(quality),
                "br" => codings[Coding::Brotli as usize] = Some(quality),
                "zstd" => codings[Coding::Zstd as usize] = Some(quality),
                "identity" => identity = Some(quality),
                "*" => rest = Some(quality),
                _ => {}
            }
        }
        Self {
            codings: codings.map(|quality| quality.or(rest).unwrap_or(0)),
            identity: identity.or(rest.filter(|quality| *quality == 0)),
        }
    }

    /// The coding for an answer, `None` for the answer as it is. The client's preference counts before
    /// ours. An answer that is not `worthwhile` is compressed only for a client that refuses it otherwise;
    /// one that refuses everything gets it as it is.
    pub(super) fn choose(&self, worthwhile: bool) -> Option<Coding> {
        self.best(&Coding::ALL, worthwhile)
    }

    /// The same among some codings.
    pub(super) fn best(&self, offered: &[Coding], worthwhile: bool) -> Option<Coding> {
        let qualities = offered.iter().map(|coding| (self.codings[*coding as usize], *coding));
        let (quality, coding) = qualities.max().filter(|(quality, _)| *quality > 0)?;
        let compressed = match self.identity {
            Some(0) => true,
            Some(identity) => worthwhile && quality >= identity,
            None => worthwhile,
        };
        compressed.then_some(coding)
    }
}

/// The `q` among the parameters of an item, 1 if there is none. `None` if it is not a number from 0 to 1.
pub(super) fn quality(parameters: &str) -> Option<u16> {
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.trim().eq_ignore_ascii_case("q") {
            let quality: f32 = value.trim().parse().ok()?;
            return (0.0..=1.0).contains(&quality).then_some((quality * 1_000.0) as u16);
        }
    }
    Some(1_000)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::HeaderValue;

    use super::*;

    fn chosen(accepted: &str, worthwhile: bool) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for line in accepted.split('\n') {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_str(line).expect("a line"));
        }
        Accepted::of(&headers).choose(worthwhile).map(Coding::name)
    }

    #[test]
    fn the_coding_is_the_one_that_the_client_likes_best_then_the_cheapest() {
        for (accepted, coding) in [
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, deflate, br", Some("br")),
            ("gzip\nbr", Some("br")),
            ("GZIP;Q=1", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("gzip;q=1.0, br ; q = 0.9, zstd;q=0.899", Some("gzip")),
            ("*", Some("zstd")),
            ("*;q=0.1, zstd;q=0", Some("br")),
            ("gzip;q=0.5, *;q=0", Some("gzip")),
            ("gzip;q=0.001", Some("gzip")),
            ("identity, gzip", Some("gzip")),
            ("identity;q=0.5, gzip;q=0.4", None),
            ("gzip;q=0", None),
            ("gzip;q=0.000, br;q=0", None),
            ("identity", None),
            ("deflate, compress", None),
            ("*;q=0", None),
            ("identity;q=0", None),
            ("gzip;q=x, br;q=2, zstd;q=nan", None),
            ("gzip;level=9", Some("gzip")),
            (" , ;q=1,,gzip", Some("gzip")),
            ("", None),
        ] {
            assert_eq!(chosen(accepted, true), coding, "{accepted:?}");
        }
        for (accepted, coding) in [
            ("gzip, br, zstd", None),
            ("identity;q=0, gzip", Some("gzip")),
            ("gzip, *;q=0", Some("gzip")),
            ("identity, *;q=0, gzip", None),
            ("*;q=0", None),
        ] {
            assert_eq!(chosen(accepted, false), coding, "{accepted:?}");
        }
        assert_eq!(Accepted::of(&HeaderMap::new()).choose(true), None);
    }

    #[test]
    fn what_is_compressed_can_be_read_again() {
        let pattern = |n: usize| (0..n).map(|i| (i * i % 251) as u8).collect::<Vec<_>>();
        for content in [vec![], vec![b'a'; 1], pattern(1_024), pattern(2_000_000)] {
            for coding in Coding::ALL {
                let compressed = coding.compress(&content).expect("compressed");
                let mut read = Vec::new();
                let mut reader: Box<dyn Read> = match coding {
                    Coding::Gzip => Box::new(flate2::read::GzDecoder::new(&compressed[..])),
                    Coding::Brotli => Box::new(brotli::Decompressor::new(&compressed[..], 4_096)),
                    Coding::Zstd => Box::new(zstd::Decoder::new(&compressed[..]).expect("a frame")),
                };
                reader.read_to_end(&mut read).expect("readable");
                assert!(read == content, "{coding:?} of {} bytes", content.len());
            }
        }
    }
}
