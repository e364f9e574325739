//! Random strings, hashes and signatures (HMAC), all from one crypto provider (aws-lc-rs).

use aws_lc_rs::{constant_time, digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` random bytes from the operating system, in hexadecimal. It fails only if the system has no randomness,
/// which no caller can fix.
pub fn random_hex<const N: usize>() -> Result<String, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in hexadecimal: how tickets and similar secrets are stored.
pub fn sha256_hex(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// Derives the key for one use of the site's `SECRET_KEY`, which itself signs nothing. So a signature for one
/// use is never valid for another. (HMAC-SHA-256 of the name of the use; a new use needs a new name.)
pub fn derived_key(secret_key: &str, used_for: &str) -> hmac::Tag {
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret_key.as_bytes());
    hmac::sign(&root, used_for.as_bytes())
}

/// Signs strings, such as cursors (HMAC-SHA-256, truncated to 96 bits). Only this site can sign; anybody can
/// read.
#[derive(Debug)]
pub struct SigningKey(hmac::Key);

/// Bytes of the signature in a signed string.
const SIGNATURE_BYTES: usize = 12;

impl SigningKey {
    /// The key is derived, so that a signed string is never valid as a token.
    pub fn new(secret_key: &str) -> Self {
        let key = derived_key(secret_key, "meowsenger sealed strings");
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    /// Signs a text for one purpose.
    pub fn sign_text(&self, purpose: &str, text: &str) -> String {
        let mut bytes = self.hmac(purpose, text.as_bytes()).as_ref()[..SIGNATURE_BYTES].to_vec();
        bytes.extend_from_slice(text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The text of a signed string. `None` if this site did not sign it, or did for another purpose.
    pub fn verify_text(&self, purpose: &str, signed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(signed).ok()?;
        let (signature, text) = bytes.split_at_checked(SIGNATURE_BYTES)?;
        let expected = self.hmac(purpose, text);
        constant_time::verify_slices_are_equal(signature, &expected.as_ref()[..SIGNATURE_BYTES])
            .ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    /// The HMAC of a text: 43 characters.
    pub fn hmac_of_text(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.hmac(purpose, text.as_bytes()))
    }

    /// Whether this is the HMAC of the text. Compares in constant time.
    pub fn is_hmac_of_text(&self, purpose: &str, text: &str, hmac: &str) -> bool {
        let expected = self.hmac_of_text(purpose, text);
        constant_time::verify_slices_are_equal(expected.as_bytes(), hmac.as_bytes()).is_ok()
    }

    /// Puts a signature of 256 bits before a message.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> Vec<u8> {
        let mut signed = self.hmac(purpose, message).as_ref().to_vec();
        signed.extend_from_slice(message);
        signed
    }

    /// A message without its signature. `None` unless a node with the same key signed it for this purpose.
    pub fn verified<'a>(&self, purpose: &str, signed: &'a [u8]) -> Option<&'a [u8]> {
        let (signature, message) = signed.split_at_checked(digest::SHA256_OUTPUT_LEN)?;
        let expected = self.hmac(purpose, message);
        constant_time::verify_slices_are_equal(signature, expected.as_ref()).ok()?;
        Some(message)
    }

    /// A number below a million, computed from a text, that only this site can compute.
    pub fn number(&self, purpose: &str, text: &str) -> i64 {
        let hmac = self.hmac(purpose, text.as_bytes());
        hmac.as_ref()[..SIGNATURE_BYTES]
            .iter()
            .fold(0, |number, byte| (number * 256 + i64::from(*byte)) % 1_000_000)
    }

    fn hmac(&self, purpose: &str, text: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.as_bytes());
        context.update(b"\0");
        context.update(text);
        context.sign()
    }
}

#[cfg(test)]
#[path = "secrets_fuzz.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::SigningKey;

    #[test]
    fn signed_strings_verify_for_their_purpose_and_key_only() {
        let key = SigningKey::new("one key");
        let signed = key.sign_text("chats", "7,3");
        assert_eq!(key.verify_text("chats", &signed).as_deref(), Some("7,3"));
        assert_eq!(key.verify_text("users", &signed), None);
        assert_eq!(SigningKey::new("another").verify_text("chats", &signed), None);
        for forged in ["", "a", "====", &signed[1..], &format!("{signed}A")] {
            assert_eq!(key.verify_text("chats", forged), None, "{forged}");
        }
    }
    #[test]
    fn a_signed_message_is_verified_for_its_purpose_and_key_alone() {
        let key = SigningKey::new("one key");
        let signed = key.sign("a subject", b"meow");
        assert_eq!(key.verified("a subject", &signed), Some(&b"meow"[..]));
        assert_eq!(key.verified("another", &signed), None);
        assert_eq!(SigningKey::new("another").verified("a subject", &signed), None);
        for forged in [&b""[..], b"meow", &signed[1..], &[&signed[..], b"!"].concat()] {
            assert_eq!(key.verified("a subject", forged), None);
        }
    }
}
