//! Absolute URLs in objects and events. An event is encoded once for all its subscribers, so its URLs
//! cannot depend on a request.

use std::net::SocketAddr;
use std::sync::OnceLock;

use super::ids::AttachmentId;

/// Makes absolute URLs, from `PUBLIC_URL` or from the address that the node listens on.
#[derive(Debug, Default)]
pub struct Urls {
    /// Scheme, host and port. Unknown only until the node listens, before any answer.
    base: OnceLock<String>,
}

impl Urls {
    /// From `PUBLIC_URL`, if it is set.
    pub fn new(public_url: Option<&str>) -> Self {
        Self { base: public_url.map(|url| OnceLock::from(url.to_owned())).unwrap_or_default() }
    }

    /// Sets the address that the node listens on, which is used without a `PUBLIC_URL`.
    pub fn listen_on(&self, address: SocketAddr) {
        self.base.get_or_init(|| match address.ip().is_unspecified() {
            // It listens on every address of this machine, so any will do.
            true => format!("http://localhost:{}", address.port()),
            false => format!("http://{address}"),
        });
    }

    /// Scheme, host and port; empty until the node listens.
    pub fn base(&self) -> &str {
        self.base.get().map_or("", String::as_str)
    }

    /// The link of an invite.
    pub fn invite(&self, code: &str) -> String {
        format!("{}/invite/{code}", self.base())
    }

    /// The URL of a stored file, by its path.
    pub fn media(&self, path: &str) -> String {
        format!("{}/media/{path}", self.base())
    }

    /// The URL of an attachment.
    pub fn attachment(&self, id: AttachmentId) -> String {
        format!("{}/api/attachments/{id}/", self.base())
    }
}

#[cfg(test)]
mod tests {
    use super::Urls;

    fn url(public: Option<&str>, address: &str) -> String {
        let urls = Urls::new(public);
        urls.listen_on(address.parse().expect("an address"));
        urls.media("avatars/a.png")
    }

    #[test]
    fn a_url_is_of_the_public_address_or_else_the_bound_one() {
        let public = Some("https://chat.example.org");
        assert_eq!(url(public, "0.0.0.0:80"), "https://chat.example.org/media/avatars/a.png");
        assert_eq!(url(None, "127.0.0.1:8000"), "http://127.0.0.1:8000/media/avatars/a.png");
        assert_eq!(url(None, "0.0.0.0:8000"), "http://localhost:8000/media/avatars/a.png");
        assert_eq!(url(None, "[::]:8000"), "http://localhost:8000/media/avatars/a.png");
        assert_eq!(url(None, "[::1]:8000"), "http://[::1]:8000/media/avatars/a.png");
    }
}
