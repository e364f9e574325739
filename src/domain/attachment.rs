//! Attachments: files that are sent with messages. What a file is called and how it may be served; where its bytes
//! are stored is decided elsewhere.

use serde::{Deserialize, Serialize};

use super::ids::AttachmentId;
use super::time::Timestamp;

/// Most attachments of a message.
pub const ATTACHMENTS_MAX: usize = 10;
/// Longest name, in characters.
const NAME_MAX: usize = 255;
/// The longest extension that a shortened name keeps, in characters.
const EXTENSION_MAX: usize = 32;
/// The name of a file without a usable one.
const UNNAMED: &str = "file";
/// The type of plain text.
pub const PLAIN_TEXT: &str = "text/plain";
/// Names of texts that a browser or a system may execute. The type of such a text is [`PLAIN_TEXT`], since it is
/// made from the content.
const ACTIVE: [&str; 24] = [
    "bat", "cjs", "cmd", "css", "hta", "htm", "html", "js", "jse", "jsx", "mhtml", "mjs", "ps1",
    "py", "rdf", "sh", "shtml", "svg", "ts", "vbs", "xht", "xhtml", "xml", "xsl",
];

/// An attachment, as every member sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// The file's name.
    pub name: String,
    /// The media type, by the content.
    pub content_type: String,
    /// In bytes.
    pub size: i64,
    /// Of an upright picture, in pixels.
    pub width: Option<i64>,
    /// Of an upright picture, in pixels.
    pub height: Option<i64>,
    /// Whether there is a thumbnail.
    pub has_thumbnail: bool,
    /// When it was uploaded.
    #[serde(with = "micros")]
    pub created_at: Timestamp,
}

impl Attachment {
    /// Whether a browser may show the file, instead of downloading it. Nothing is shown that it would execute.
    pub fn is_inline(&self) -> bool {
        let kind = self.content_type.as_str();
        match kind.split_once('/') {
            Some(("image", subtype)) => !subtype.contains("xml"),
            Some(("audio" | "video", _)) => true,
            _ if kind == PLAIN_TEXT => {
                let extension = extension(&self.name).unwrap_or_default().to_ascii_lowercase();
                !ACTIVE.contains(&extension.as_str())
            }
            _ => kind == "application/pdf",
        }
    }
}

/// The attachments of a message that is being sent.
#[derive(Clone, Debug, Default)]
pub struct NewAttachments {
    /// In the order in which the sender named them, each once.
    pub ids: Vec<AttachmentId>,
    /// Those that the sender may send, in the same order, once they were looked up.
    pub found: Vec<Attachment>,
}

impl NewAttachments {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Those that the sender may not send.
    pub fn missing(&self) -> impl Iterator<Item = AttachmentId> {
        let is_found = |id: &AttachmentId| self.found.iter().any(|found| found.id == *id);
        self.ids.iter().copied().filter(move |id| !is_found(id))
    }
}

/// A time within stored JSON.
mod micros {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.micros())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_micros)
    }
}

/// The name under which a file is stored and served: the last component of a path, without control characters
/// and those that change the direction of a text, which could make `exe.gpj` of `jpg.exe`. A long name is
/// shortened before its extension.
pub fn file_name(sent: &str) -> String {
    let shown: String = sent.chars().filter(|c| !is_hidden(*c)).collect();
    let name = shown.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.trim_matches('.').is_empty() {
        return UNNAMED.to_owned();
    }
    let count = name.chars().count();
    if count <= NAME_MAX {
        return name.to_owned();
    }
    let kept = extension(name).filter(|kept| kept.chars().count() <= EXTENSION_MAX);
    let ending = kept.map(|kept| format!(".{kept}")).unwrap_or_default();
    let stem = name.chars().take(NAME_MAX - ending.chars().count());
    stem.chain(ending.chars()).collect()
}

fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// Control characters, line separators, and the characters of Unicode's bidirectional algorithm.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_component_without_hidden_characters() {
        for (sent, name) in [
            ("cat.png", "cat.png"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\cat.png", "cat.png"),
            ("C:\\Users\\tom/cat.png", "cat.png"),
            ("кот 🐈\u{200d}⬛.png", "кот 🐈\u{200d}⬛.png"),
            ("a\0b\r\n\tc\u{7f}\u{85}.txt", "abc.txt"),
            ("\u{202e}gpj.exe\u{2066}\u{200f}\u{feff}", "gpj.exe"),
            ("  spaces.txt ", "spaces.txt"),
            (".profile", ".profile"),
            ("", "file"),
            ("dir/", "file"),
            ("..", "file"),
            (" . ", "file"),
            ("\u{202e}", "file"),
        ] {
            assert_eq!(file_name(sent), name, "{sent:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = file_name(&format!("{}.tar.gz", "ü".repeat(300)));
        assert_eq!((name.chars().count(), name.ends_with("ü.gz")), (255, true));
        let name = file_name(&format!("a.{}", "x".repeat(300)));
        assert_eq!(name, format!("a.{}", "x".repeat(253)));
        let exact = "x".repeat(255);
        assert_eq!(file_name(&exact), exact);
    }

    #[test]
    fn nothing_that_a_browser_executes_is_shown() {
        let shown = |content_type: &str, name: &str| {
            Attachment {
                id: AttachmentId(1),
                name: name.to_owned(),
                content_type: content_type.to_owned(),
                size: 1,
                width: None,
                height: None,
                has_thumbnail: false,
                created_at: Timestamp::MIN,
            }
            .is_inline()
        };
        for (kind, name, expected) in [
            ("image/png", "x", true),
            ("image/svg+xml", "x.png", false),
            ("audio/mpeg", "x", true),
            ("video/mp4", "x.html", true),
            ("application/pdf", "x", true),
            ("text/plain", "x.txt", true),
            ("text/plain", "x.JS", false),
            ("text/html", "x.txt", false),
            ("text/xml", "x.txt", false),
            ("application/zip", "x.png", false),
            ("application/octet-stream", "x.png", false),
        ] {
            assert_eq!(shown(kind, name), expected, "{kind} {name}");
        }
    }
}
