//! Access tokens, signed here with the measured server's key: to log in twenty thousand users would take
//! minutes of password hashing.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How long a token is valid, in seconds.
const LIFETIME: u64 = 24 * 60 * 60;

/// Signs tokens as the server does.
pub struct Signer(Key);

impl Signer {
    /// With the server's `SECRET_KEY`.
    pub fn new(secret: &str) -> Self {
        let root = Key::new(HMAC_SHA256, secret.as_bytes());
        Self(Key::new(HMAC_SHA256, sign(&root, b"meowsenger tokens").as_ref()))
    }

    /// The access token of a user's session, issued at `now`, in seconds.
    pub fn access(&self, user: i64, session: i64, now: u64) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256"}"#);
        let payload = URL_SAFE_NO_PAD.encode(format!(
            r#"{{"token_type":"access","exp":{},"iat":{now},"jti":"{session:032x}","sid":{session},"user_id":"{user}"}}"#,
            now + LIFETIME
        ));
        let signed = format!("{header}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(sign(&self.0, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
