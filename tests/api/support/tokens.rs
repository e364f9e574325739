//! Decodes tokens, and forges them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use meowsenger::auth::secrets::derived_key;
use serde_json::Value;

/// A token's header.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

/// A token's claims.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The key with which a site signs its tokens.
pub fn key(secret_key: &str) -> Vec<u8> {
    derived_key(secret_key, "meowsenger tokens").as_ref().to_vec()
}

/// A token with a valid signature for a key and an algorithm.
pub fn sign(claims: &Value, key: impl AsRef<[u8]>, algorithm: Algorithm) -> String {
    let key = EncodingKey::from_secret(key.as_ref());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("signed")
}

/// A token with another header, and the same claims and signature.
pub fn with_header(token: &str, header: &str) -> String {
    let (_, rest) = token.split_once('.').expect("three parts");
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}
