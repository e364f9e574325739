//! Random strings, hashes and signatures (HMAC), all from one crypto provider (aws-lc-rs).

use aws_lc_rs::{constant_time, digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` random bytes from the system, in hexadecimal. The error says that the system has none, which no
/// caller can fix.
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

/// The key for one use of the site's `SECRET_KEY`, which itself signs nothing: a signature for one use is
/// never valid for another. (HMAC-SHA-256 of the use's name; a new use needs a new name.)
pub fn derived_key(secret_key: &str, used_for: &str) -> hmac::Tag {
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret_key.as_bytes());
    hmac::sign(&root, used_for.as_bytes())
}

/// Signs strings, such as cursors (HMAC-SHA-256, truncated to 96 bits). Only this site can make them;
/// anybody can read them.
#[derive(Debug)]
pub struct Sealer(hmac::Key);

/// Bytes of the signature in a signed string.
const SUM: usize = 12;

impl Sealer {
    /// The key is derived, so that a signed string is never valid as a token.
    pub fn new(secret_key: &str) -> Self {
        let key = derived_key(secret_key, "meowsenger sealed strings");
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    /// Signs a text for one purpose.
    pub fn seal(&self, purpose: &str, text: &str) -> String {
        let mut bytes = self.sum(purpose, text.as_bytes()).as_ref()[..SUM].to_vec();
        bytes.extend_from_slice(text.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The text of a string that this site has signed for the same purpose.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (sum, text) = bytes.split_at_checked(SUM)?;
        let expected = self.sum(purpose, text);
        constant_time::verify_slices_are_equal(sum, &expected.as_ref()[..SUM]).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    /// The sum over a text that is known anyway, or secret: 43 characters.
    pub fn sum_text(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.sum(purpose, text.as_bytes()))
    }

    /// Whether this is the text's sum; how long it takes does not tell how much of it is right.
    pub fn is_sum(&self, purpose: &str, text: &str, sum: &str) -> bool {
        let expected = self.sum_text(purpose, text);
        constant_time::verify_slices_are_equal(expected.as_bytes(), sum.as_bytes()).is_ok()
    }

    /// Prepends a signature of all 256 bits to a message, in bytes.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> Vec<u8> {
        let mut signed = self.sum(purpose, message).as_ref().to_vec();
        signed.extend_from_slice(message);
        signed
    }

    /// The message that was signed here, or by another node with the same key, for this purpose.
    pub fn verified<'a>(&self, purpose: &str, signed: &'a [u8]) -> Option<&'a [u8]> {
        let (signature, message) = signed.split_at_checked(digest::SHA256_OUTPUT_LEN)?;
        let expected = self.sum(purpose, message);
        constant_time::verify_slices_are_equal(signature, expected.as_ref()).ok()?;
        Some(message)
    }

    /// A number below a million that follows from a text, and that only this site can tell.
    pub fn number(&self, purpose: &str, text: &str) -> i64 {
        let sum = self.sum(purpose, text.as_bytes());
        sum.as_ref()[..SUM]
            .iter()
            .fold(0, |number, byte| (number * 256 + i64::from(*byte)) % 1_000_000)
    }

    fn sum(&self, purpose: &str, text: &[u8]) -> hmac::Tag {
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
    use super::Sealer;

    #[test]
    fn sealed_strings_open_for_their_purpose_and_key_alone() {
        let sealer = Sealer::new("one key");
        let sealed = sealer.seal("chats", "7,3");
        assert_eq!(sealer.open("chats", &sealed).as_deref(), Some("7,3"));
        assert_eq!(sealer.open("users", &sealed), None);
        assert_eq!(Sealer::new("another").open("chats", &sealed), None);
        for forged in ["", "a", "====", &sealed[1..], &format!("{sealed}A")] {
            assert_eq!(sealer.open("chats", forged), None, "{forged}");
        }
    }
    #[test]
    fn a_signed_message_is_verified_for_its_purpose_and_key_alone() {
        let sealer = Sealer::new("one key");
        let signed = sealer.sign("a subject", b"meow");
        assert_eq!(sealer.verified("a subject", &signed), Some(&b"meow"[..]));
        assert_eq!(sealer.verified("another", &signed), None);
        assert_eq!(Sealer::new("another").verified("a subject", &signed), None);
        for forged in [&b""[..], b"meow", &signed[1..], &[&signed[..], b"!"].concat()] {
            assert_eq!(sealer.verified("a subject", forged), None);
        }
    }
}
