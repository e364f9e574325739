//! The formats of password hashes: Django's Argon2id, which new hashes have, and the other formats that an
//! imported Django site contains. Pure and slow: `passwords` runs this on blocking threads, a few at a time.

use std::num::NonZeroU32;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::domain::error::{Error, Result};

use super::secrets::sha256_hex;

/// The cost of a new hash. Only tests change the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl Default for HashCost {
    /// The first of OWASP's recommended settings, with one lane: about 20 ms of one core.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

impl HashCost {
    /// Whether a hash has the format and cost of new ones.
    pub(super) fn is_of(self, encoded: &str) -> bool {
        let Self { memory_kib, passes } = self;
        // The PHC string keeps its own leading dollar.
        encoded.starts_with(&format!("argon2$argon2id$v=19$m={memory_kib},t={passes},p=1$"))
    }
}

/// The highest cost of a stored hash that is computed; a hash with a higher one never matches, so that nobody
/// can stall the server with a crafted import. (Django's defaults: 1.5 million rounds, a cost of 12, 100 MiB and two passes.)
const PBKDF2_ROUNDS_MAX: u32 = 5_000_000;
const BCRYPT_COST_MAX: u32 = 16;
const ARGON2_KIB_MAX: u32 = 256 * 1024;
const ARGON2_PASSES_MAX: u32 = 16;

/// Hashes a password for storing.
pub(super) fn hash(password: &str, cost: HashCost) -> Result<String> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(Error::internal)?;
    let argon2id = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let phc = argon2id.hash_password(password.as_bytes()).map_err(Error::internal)?;
    Ok(format!("argon2{phc}"))
}

/// Whether this is Django's marker of an account without a usable password.
pub fn is_unusable(encoded: &str) -> bool {
    encoded.starts_with('!')
}

/// Whether `verify` knows the format, or nothing can be verified: there is no usable password.
pub fn is_known(encoded: &str) -> bool {
    let algorithm = encoded.split('$').next().unwrap_or_default();
    encoded.is_empty()
        || is_unusable(encoded)
        || ["argon2", "pbkdf2_sha256", "bcrypt_sha256"].contains(&algorithm)
}

/// Whether the password matches a hash. `None`, without any work, if no password can: the hash is marked
/// unusable, has an unknown format, or exceeds the highest cost.
pub(super) fn verify(password: &str, encoded: &str) -> Option<bool> {
    let (algorithm, rest) = encoded.split_once('$')?;
    match algorithm {
        "argon2" => argon2(password, &encoded[algorithm.len()..]),
        "pbkdf2_sha256" => pbkdf2(password, rest),
        "bcrypt_sha256" => bcrypt_sha256(password, rest),
        _ => None,
    }
}

fn argon2(password: &str, phc: &str) -> Option<bool> {
    let hash = PasswordHash::new(phc).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let bounded = params.m_cost() <= ARGON2_KIB_MAX && params.t_cost() <= ARGON2_PASSES_MAX;
    bounded.then(|| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// `ROUNDS$SALT$HASH`, the hash in base64.
fn pbkdf2(password: &str, rest: &str) -> Option<bool> {
    let (rounds, rest) = rest.split_once('$')?;
    let (salt, hash) = rest.split_once('$')?;
    let rounds: NonZeroU32 = rounds.parse().ok()?;
    let hash = STANDARD.decode(hash).ok().filter(|hash| hash.len() == 32)?;
    let (salt, password) = (salt.as_bytes(), password.as_bytes());
    let verify = || pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password, &hash);
    (rounds.get() <= PBKDF2_ROUNDS_MAX).then(|| verify().is_ok())
}

/// `$2b$COST$…`. bcrypt reads only 72 bytes, so Django hashes a digest of the password.
fn bcrypt_sha256(password: &str, rest: &str) -> Option<bool> {
    let parts: bcrypt::HashParts = rest.parse().ok()?;
    let verify = || bcrypt::verify(sha256_hex(password), rest);
    if parts.get_cost() <= BCRYPT_COST_MAX { verify().ok() } else { None }
}

#[cfg(test)]
#[path = "hashes_fuzz.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_djangos_argon2_format_and_verify() {
        let cost = HashCost::default();
        let encoded = hash("пароль 🐈", cost).expect("hashed");
        assert!(encoded.starts_with("argon2$argon2id$v=19$m=19456,t=2,p=1$"), "{encoded}");
        assert!(cost.is_of(&encoded));
        assert_eq!(verify("пароль 🐈", &encoded), Some(true));
        assert_eq!(verify("пароль", &encoded), Some(false));
    }

    #[test]
    fn hashes_that_django_made_verify_and_are_not_current() {
        let vectors = include_str!("../../tests/data/django_hashes.json");
        let vectors: Vec<serde_json::Value> = serde_json::from_str(vectors).expect("JSON");
        let mut known = Vec::new();
        for vector in &vectors {
            let text = |name: &str| vector[name].as_str().expect("a text");
            let (password, encoded) = (text("password"), text("encoded"));
            assert!(!HashCost::default().is_of(encoded), "{encoded}");
            let algorithm = encoded.split('$').next().unwrap_or_default();
            if ["argon2", "pbkdf2_sha256", "bcrypt_sha256"].contains(&algorithm) {
                assert_eq!(verify(password, encoded), Some(true), "{encoded}");
                assert_eq!(verify(&format!("{password}x"), encoded), Some(false), "{encoded}");
                known.push(algorithm);
            } else {
                assert_eq!(verify(password, encoded), None, "{encoded}");
            }
        }
        assert_eq!(known.len(), 7, "{known:?}");
    }

    #[test]
    fn a_format_is_known_if_it_can_be_verified_or_marks_an_unusable_password() {
        assert!(is_unusable("!") && is_unusable("!rQ2k") && !is_unusable("argon2$!"));
        for encoded in ["", "!rQ2k", "argon2$x", "pbkdf2_sha256$x", "bcrypt_sha256$x"] {
            assert!(is_known(encoded), "{encoded}");
        }
        for encoded in ["md5$x", "argon2x$x", "x!", "plain"] {
            assert!(!is_known(encoded), "{encoded}");
        }
    }

    #[test]
    fn what_is_no_hash_or_asks_for_too_much_is_not_tried() {
        let hash = "aZ/cQ2uAjha2o9GzYyEVI92hkdnmk5Lcujh95lVapsM=";
        for encoded in [
            "",
            "!",
            "$",
            "argon2",
            "argon2$",
            "argon2$argon2id$v=19$m=999999999,t=2,p=1$bUVvd1NhbHQ$YyiTe5ELc033+HbCOvQdyA",
            "argon2$argon2id$v=19$m=64,t=99999999,p=1$bUVvd1NhbHQ$YyiTe5ELc033+HbCOvQdyA",
            "pbkdf2_sha256$x$salt$hash",
            "pbkdf2_sha256$1000$salt$hash",
            "bcrypt_sha256$$2b$31$mEowSaltMeowSaltMeow2uMdFSFWhTEEkeH6Q.8msyUzHggaz1SPy",
            "bcrypt_sha256$rubbish",
            &format!("pbkdf2_sha256$0$salt${hash}"),
            &format!("pbkdf2_sha256$4000000000$salt${hash}"),
        ] {
            assert_eq!(verify("x", encoded), None, "{encoded}");
        }
    }
}
