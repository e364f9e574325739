//! The cookies of the admin site. All are `HttpOnly`, `SameSite=Strict` and for `/admin/` only; with HTTPS also `Secure`.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::domain::error::{Error, Result};

/// The session: its id and its secret.
pub(super) const SESSION: &str = "meowsenger_admin";
/// What the form of the login is bound to, before there is a session.
pub(super) const LOGIN: &str = "meowsenger_admin_login";
/// A message for the next page, signed.
pub(super) const FLASH: &str = "meowsenger_admin_flash";

/// A cookie that the client sent.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

/// The header that sets a cookie for some seconds; 0 removes it.
pub(super) fn set(name: &str, value: &str, seconds: u64, is_secure: bool) -> Result<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!(
        "{name}={value}; Path=/admin/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    );
    HeaderValue::try_from(text).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; meowsenger_admin=7.x=y"));
        headers.append(header::COOKIE, HeaderValue::from_static("xmeowsenger_admin_flash=2;b"));
        assert_eq!(read(&headers, SESSION), Some("7.x=y"));
        assert_eq!(read(&headers, FLASH), None);
        assert_eq!(read(&headers, "b"), None);
    }
}
