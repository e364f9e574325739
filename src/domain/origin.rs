//! Origins of web pages, as browsers send them (RFC 6454).

use std::fmt;

use url::Url;

/// A scheme, a host and a port, normalised for comparison: in lower case, without the scheme's default
/// port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// Parses `scheme://host` or `scheme://host:port` with any scheme and nothing after it, or `null` (which
    /// a page without an origin sends).
    pub fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self(text.to_owned()));
        }
        let (scheme, authority) = text.split_once("://")?;
        // The parser below skips, decodes or reinterprets other characters.
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let in_authority = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\*%".contains(&byte);
        if !scheme.bytes().all(in_scheme) || !authority.bytes().all(in_authority) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some(Self(format!("{}://{host}{port}", url.scheme())))
    }

    /// Whether it is the origin of a server with this `Host`, which may contain a port.
    pub fn is_of_host(&self, host: &str) -> bool {
        let of_scheme = |scheme| Self::parse(&format!("{scheme}://{host}"));
        (self.is_http() && of_scheme("http").as_ref() == Some(self))
            || (self.is_https() && of_scheme("https").as_ref() == Some(self))
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
            "file://",
            "a:b",
            "NULL",
            "https://a,https://b",
        ] {
            assert_eq!(written(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_page_is_the_server_s_own_under_the_same_host_and_port() {
        let is_own =
            |origin: &str, host: &str| WebOrigin::parse(origin).expect(origin).is_of_host(host);
        for (origin, host) in [
            ("https://chat.example.org:443", "chat.example.org"),
            ("https://chat.example.org", "chat.example.org:443"),
            ("http://chat.example.org", "CHAT.example.org:80"),
            ("http://localhost:8000", "localhost:8000"),
        ] {
            assert!(is_own(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("https://chat.example.org:8443", "chat.example.org"),
            ("https://chat.example.org", "chat.example.org:80"),
            ("https://chat.example.org.evil.example", "chat.example.org"),
            ("capacitor://localhost", "localhost"),
            ("null", "null"),
        ] {
            assert!(!is_own(origin, host), "{origin} {host}");
        }
    }
}
