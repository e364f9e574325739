//! Origins of web pages, as browsers send them (RFC 6454).

use std::fmt;

use url::Url;

/// A scheme, a host and a port, normalised for comparison: in lower case, without the scheme's default
/// port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// Parses `scheme://host` or `scheme://host:port` with any scheme and nothing after it, or `null` (which
    /// a page without an origin sends). Names in Unicode become punycode, as browsers send them.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self(text.to_owned()));
        }
        let (scheme, authority) = text.split_once("://")?;
        let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
        // The parser below skips, decodes or reinterprets other characters.
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let in_authority = |character: char| match character.is_ascii() {
            true => character.is_ascii_alphanumeric() || "-._:[]".contains(character),
            false => is_web,
        };
        if !scheme.bytes().all(in_scheme) || !authority.chars().all(in_authority) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        // A socket's URL is not an origin: its page has `http` or `https`.
        if matches!(url.scheme(), "ws" | "wss") || (is_web && !is_host(&host)) {
            return None;
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(Self(format!("{}://{host}{port}", url.scheme())))
    }

    /// Whether it is the origin of a server with this `Host`, which may contain a port. A server behind a
    /// proxy knows that it is used by HTTPS (`is_secure`), or does not know which of the two it is.
    pub fn is_of_host(&self, host: &str, is_secure: bool) -> bool {
        let of_scheme = |scheme| Self::parse(&format!("{scheme}://{host}"));
        of_scheme("https").as_ref() == Some(self)
            || (!is_secure && of_scheme("http").as_ref() == Some(self))
    }

    /// Whether it is the origin of pages that have none: local files, and sandboxed frames of any site.
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }

    /// Whether it uses unencrypted HTTP.
    pub fn is_http(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// Whether it uses HTTPS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

/// Whether no label is empty and nothing in it is part of a pattern: Unicode has such characters, too.
fn is_host(host: &str) -> bool {
    let in_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(in_label);
    host.starts_with('[') || host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::WebOrigin;

    fn written(text: &str) -> Option<String> {
        WebOrigin::parse(text).map(|origin| origin.to_string())
    }

    #[test]
    fn an_origin_is_written_in_one_way() {
        for (text, same) in [
            ("https://Chat.Example.org", "https://chat.example.org"),
            ("https://chat.example.org:443", "https://chat.example.org"),
            ("HTTP://a:80", "http://a"),
            ("http://a:443", "http://a:443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("safari-web-extension://5F-A0", "safari-web-extension://5f-a0"),
            ("app://", "app://"),
            ("app://.", "app://."),
            ("file://", "file://"),
            ("https://Кот.example", "https://xn--j1aim.example"),
            ("https://XN--J1AIM.example", "https://xn--j1aim.example"),
            ("https://a_b.example.:443", "https://a_b.example."),
            ("https://[0:0::1]", "https://[::1]"),
            ("app://[::1]:80", "app://[::1]:80"),
            ("null", "null"),
        ] {
            assert_eq!(written(text).as_deref(), Some(same));
        }
        for bad in [
            "",
            "*",
            "https://",
            "https://*",
            "https://*.example.org",
            "https://＊.example.org",
            "https://.example.org",
            "https://a..b",
            "https://(a|b).example.org",
            "https://[a-z]+.example.org",
            "chrome-extension://*",
            "app://кот",
            "wss://a",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a\\b",
            "https://a b",
            "https://a\t",
            " https://a",
            "https://%61",
            "https://a:x",
            "https://a:99999",
            "//a",
            "a",
            "file:///",
            "a:b",
            "NULL",
            "https://a,https://b",
        ] {
            assert_eq!(written(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_page_is_the_server_s_own_under_the_same_host_and_port() {
        let is_own = |origin: &str, host: &str, is_secure: bool| {
            WebOrigin::parse(origin).expect(origin).is_of_host(host, is_secure)
        };
        for (origin, host) in [
            ("https://chat.example.org:443", "chat.example.org"),
            ("https://chat.example.org", "chat.example.org:443"),
            ("https://[::1]:443", "[0:0::1]"),
        ] {
            assert!(is_own(origin, host, true) && is_own(origin, host, false), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://chat.example.org", "CHAT.example.org:80"),
            ("http://localhost:8000", "localhost:8000"),
        ] {
            assert!(is_own(origin, host, false), "{origin} {host}");
            assert!(!is_own(origin, host, true), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://chat.example.org:8443", "chat.example.org"),
            ("https://chat.example.org", "chat.example.org:80"),
            ("https://chat.example.org.evil.example", "chat.example.org"),
            ("capacitor://localhost", "localhost"),
            ("null", "null"),
        ] {
            assert!(!is_own(origin, host, false), "{origin} {host}");
        }
    }
}
