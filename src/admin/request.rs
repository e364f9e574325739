//! What `http` says about a request: who asks, from where, and by which id the log knows it.

use crate::domain::session::Device;

/// What the admin site needs to know of a request besides its contents.
#[derive(Clone, Debug)]
pub struct RequestFacts {
    /// The client, behind trusted proxies.
    pub device: Device,
    /// The request's id, which error pages show.
    pub request_id: String,
    /// Whether browsers reach the site by HTTPS: then cookies are sent by HTTPS only.
    pub is_secure: bool,
    /// The origin of mailed links; only for requests that may send mail.
    pub mail_origin: Option<String>,
}
