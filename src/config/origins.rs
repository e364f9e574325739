//! The items of `CORS_ALLOWED_ORIGINS`: origins as browsers send them. The error for anything else says
//! what to write instead.

use url::Url;

use crate::domain::origin::WebOrigin;
use crate::domain::text::quoted;

/// One item.
pub(super) fn origin(value: &str) -> Result<WebOrigin, String> {
    WebOrigin::parse(value).ok_or_else(|| fault(value))
}

fn fault(value: &str) -> String {
    let item = quoted(value);
    if is_pattern(value) {
        return format!(
            "contains the pattern {item}: list each origin in full, such as \
             https://app.example.org"
        );
    }
    match meant(value) {
        Some(meant) => format!("contains {item}: write {meant}"),
        None => format!(
            "contains {item}, which is not an origin: write one such as \
             https://app.example.org or capacitor://localhost"
        ),
    }
}

/// Whether it seems to be a wildcard, a regular expression, or a domain with its subdomains.
fn is_pattern(value: &str) -> bool {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.starts_with('.') || value.contains(['*', '^', '$', '(', ')', '|', '{', '}', '\\'])
}

/// The origin in what is more than one, or less.
fn meant(value: &str) -> Option<WebOrigin> {
    if value.eq_ignore_ascii_case("null") {
        return WebOrigin::parse("null");
    }
    let is_local = value.starts_with("localhost") || value.starts_with("127.");
    let url = match value.split_once("://") {
        None if is_local => format!("http://{value}"),
        None => format!("https://{value}"),
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(_) => value.to_owned(),
    };
    let url = Url::parse(&url).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    WebOrigin::parse(&format!("{}://{}{port}", url.scheme(), url.host_str()?))
}

#[cfg(test)]
mod tests {
    use super::{origin, quoted};

    #[test]
    fn what_is_no_origin_is_refused_with_the_item_and_what_to_write_instead() {
        for (value, instead) in [
            ("https://app.example.org/", ": write https://app.example.org"),
            ("https://app.example.org/chat?a#b", ": write https://app.example.org"),
            ("https://tom:secret@app.example.org:8443/", ": write https://app.example.org:8443"),
            ("capacitor://localhost/", ": write capacitor://localhost"),
            ("app.example.org", ": write https://app.example.org"),
            ("localhost:5173", ": write http://localhost:5173"),
            ("//app.example.org", ": write https://app.example.org"),
            ("what is it", "such as https://app.example.org or capacitor://localhost"),
            ("wss://chat.example.org/ws/", ": write https://chat.example.org"),
            ("ws://localhost:8000", ": write http://localhost:8000"),
            ("NULL", ": write null"),
            ("https://app.example.org:99999", "such as https://app.example.org"),
            ("*", "list each origin in full"),
            ("https://*.example.org", "list each origin in full"),
            ("https://.example.org", "list each origin in full"),
            (".example.org", "list each origin in full"),
            ("^https://\\w+\\.example\\.org$", "list each origin in full"),
            ("chrome-extension://*", "list each origin in full"),
        ] {
            let error = origin(value).expect_err(value);
            assert!(error.contains(&quoted(value)), "{error}");
            assert!(error.contains(instead), "{error}");
        }
    }
}
