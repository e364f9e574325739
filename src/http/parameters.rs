//! The parameters of `Content-Type` and `Content-Disposition`, in all ways in which clients write them.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use percent_encoding::percent_decode;

/// Parameters in their order, with names in lower case.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, Vec<u8>)>);

impl Parameters {
    /// Those of a header with this value.
    pub(super) fn of(value: &[u8]) -> Self {
        let mut parameters = Vec::new();
        let mut rest = after(value, b';');
        while !rest.is_empty() {
            let end =
                rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
            let name = String::from_utf8_lossy(rest[..end].trim_ascii()).to_ascii_lowercase();
            let (value, left) = match &rest[end..] {
                [b'=', value @ ..] => read(value.trim_ascii_start()),
                left => (Vec::new(), left),
            };
            parameters.push((name, value));
            rest = after(left, b';');
        }
        Self(parameters)
    }

    /// A parameter's bytes. Of several of the same name, the first counts.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// A parameter's text: of `name*` (RFC 8187) if that is valid, else of `name`.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let extended = self.get(&format!("{name}*")).and_then(extended);
        extended.or_else(|| self.get(name).map(plain))
    }

    /// The encoding that `charset` names.
    pub(super) fn charset(&self) -> Option<&'static Encoding> {
        self.get("charset").and_then(Encoding::for_label)
    }
}

/// What follows the first of these bytes.
fn after(value: &[u8], byte: u8) -> &[u8] {
    memchr::memchr(byte, value).map_or(&[], |at| &value[at + 1..])
}

/// Reads a value, in quotes or not. Returns what follows it as well.
fn read(value: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        let (value, left) = value.split_at(memchr::memchr(b';', value).unwrap_or(value.len()));
        return (value.trim_ascii().to_vec(), left);
    };
    let (mut text, mut left) = (Vec::new(), quoted);
    loop {
        left = match left {
            [] => return (text, left),
            [b'"', rest @ ..] => return (text, rest),
            // Other backslashes are part of a Windows path, which old browsers send.
            [b'\\', byte @ (b'"' | b'\\'), rest @ ..] | [byte, rest @ ..] => {
                text.push(*byte);
                rest
            }
        }
    }
}

/// Text as browsers write it: in UTF-8, or else in Latin-1, with three characters escaped (HTML, "multipart
/// form data"). Other percent signs are themselves.
fn plain(value: &[u8]) -> String {
    let text = UTF_8.decode_without_bom_handling_and_without_replacement(value);
    let text = text.unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(value).0);
    let escapes = [("%22", "\""), ("%0D", "\r"), ("%0d", "\r"), ("%0A", "\n"), ("%0a", "\n")];
    escapes
        .iter()
        .fold(text.into_owned(), |text, (escape, character)| text.replace(escape, character))
}

/// `charset'language'text`, with the text's bytes percent-encoded. `None` if it is not that.
fn extended(value: &[u8]) -> Option<String> {
    let mut fields = value.splitn(3, |byte| *byte == b'\'');
    let charset = Encoding::for_label(fields.next()?)?;
    let bytes: Vec<u8> = percent_decode(fields.nth(1)?).collect();
    charset.decode_without_bom_handling_and_without_replacement(&bytes).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    #[test]
    fn file_names_are_read_in_all_ways_in_which_they_are_written() {
        for (value, name) in [
            (&b"form-data; filename=\"cat.png\""[..], Some("cat.png")),
            (b"form-data;FILENAME = \"cat.png\" ; name=a", Some("cat.png")),
            (b"form-data; filename=cat.png;name=a", Some("cat.png")),
            (b"form-data; filename=my cat.png ; name=a", Some("my cat.png")),
            (b"form-data; filename=\"a;b=c.png\"", Some("a;b=c.png")),
            (b"form-data; filename=\"a\\\"b\\\\c.png\"", Some("a\"b\\c.png")),
            (b"form-data; filename=\"C:\\Users\\tom\\cat.png\"", Some("C:\\Users\\tom\\cat.png")),
            (b"form-data; filename=\"%22cat%22%0d%0A 100%25.png\"", Some("\"cat\"\r\n 100%25.png")),
            ("form-data; filename=\"кот.png\"".as_bytes(), Some("кот.png")),
            (b"form-data; filename=\"caf\xe9.png\"", Some("café.png")),
            (b"form-data; filename*=UTF-8''%d0%BA%d0%be%d1%82.png", Some("кот.png")),
            (b"form-data; filename*=\"utf-8'ru'caf%C3%A9.png\"", Some("café.png")),
            (b"form-data; filename*=iso-8859-1'en'caf%E9.png", Some("café.png")),
            (b"form-data; filename=\"x\"; Filename*=utf-8''caf%c3%a9", Some("café")),
            (b"form-data; filename*=utf-8''caf%c3%a9; filename=x", Some("café")),
            (b"form-data; filename=x; filename*=utf-8''%ff", Some("x")),
            (b"form-data; filename=x; filename*=meow''y", Some("x")),
            (b"form-data; filename=x; filename*=y", Some("x")),
            (b"form-data; filename*=utf-8''it's%20%27me%27", Some("it's 'me'")),
            (b"form-data; filename=\"\"", Some("")),
            (b"form-data; filename*=utf-8''", Some("")),
            (b"form-data; filename", Some("")),
            (b"form-data; filename=", Some("")),
            (b"form-data; filename=\"cat", Some("cat")),
            (b"form-data; filename=a; filename=b", Some("a")),
            (b"form-data; name=\"filename=cat.png\"", None),
            (b"form-data; xfilename=cat.png", None),
            (b"filename=cat.png", None),
            (b";;=;filename=cat.png;;", Some("cat.png")),
            (b"", None),
        ] {
            let text = Parameters::of(value).text("filename");
            assert_eq!(text.as_deref(), name, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_charset_is_one_that_is_known() {
        for (value, charset) in [
            (&b"text/plain; charset=utf-8"[..], Some("UTF-8")),
            (b"text/plain; Charset=\"ISO-8859-1\"", Some("windows-1252")),
            (b"text/plain; charset=koi8-r", Some("KOI8-R")),
            (b"text/plain; charset=meow", None),
            (b"text/plain", None),
        ] {
            let found = Parameters::of(value).charset();
            assert_eq!(found.map(|charset| charset.name()), charset);
        }
    }
}
