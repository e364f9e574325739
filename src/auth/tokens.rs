//! JWTs with simplejwt's claims: HS256 with `token_type`, `exp`, `iat`, `jti`, `sid` and `user_id`. A valid
//! token does not mean a valid session: the actions look that up in the store.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::error::{Error, Result};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::time::Timestamp;

use super::secrets::derived_key;

/// The end of the year 9999, in seconds since the epoch. No token of ours expires as late.
const LATEST: i64 = 253_402_300_799;

/// What a token may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Authenticates requests.
    Access,
    /// Is exchanged for the next pair, once.
    Refresh,
}

/// The claims of a token whose signature and dates were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whether it is an access or a refresh token.
    pub token_type: TokenType,
    /// Its own id: 32 hexadecimal digits.
    pub jti: String,
    /// The session, without which the token is not valid.
    pub session: SessionId,
    /// The user.
    pub user: UserId,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    token_type: TokenType,
    exp: i64,
    iat: i64,
    jti: String,
    sid: i64,
    /// A string, as simplejwt writes it since 5.5.1.
    user_id: String,
    /// Not in our tokens. A token that is not valid yet is refused.
    #[serde(default, skip_serializing)]
    nbf: Option<i64>,
    /// Not in our tokens: a token with an audience is meant for another program.
    #[serde(default, skip_serializing, deserialize_with = "is_named")]
    aud: bool,
    /// Not in our tokens: a token with an issuer is from another program.
    #[serde(default, skip_serializing, deserialize_with = "is_named")]
    iss: bool,
}

impl Payload {
    /// Whether the dates and origin are possible for a token of ours, and it is valid at this time.
    fn is_good_at(&self, now: i64) -> bool {
        let dates_are_ours = (0..=self.exp).contains(&self.iat) && self.exp <= LATEST;
        let is_its_time = now < self.exp && self.nbf.is_none_or(|from| from <= now);
        dates_are_ours && is_its_time && !self.aud && !self.iss
    }
}

/// Whether the claim is present, whatever its value.
fn is_named<'de, D: Deserializer<'de>>(claim: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(claim).map(|_| true)
}

/// The header of our tokens. Any other parameter (`crit`, `b64`, `kid`, `jwk`, `jku`, …) demands a kind of
/// verification that we do not implement, so it is refused (RFC 7515, section 4.1.11).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnHeader {
    alg: String,
    typ: Option<String>,
}

impl OwnHeader {
    fn is_of(token: &str) -> bool {
        let header = token.split('.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
        serde_json::from_slice(&header).is_ok_and(|Self { alg, typ }| {
            alg == "HS256" && typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"))
        })
    }
}

/// Signs and verifies tokens.
pub struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    access_lifetime: Duration,
    refresh_lifetime: Duration,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// Signs with a key that is derived from the site's `SECRET_KEY`. So a token that another program signed
    /// with `SECRET_KEY` itself is not valid.
    pub fn new(secret_key: &str, access_lifetime: Duration, refresh_lifetime: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are compared with the app's clock, below.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        let key = derived_key(secret_key, "meowsenger tokens");
        Self {
            encoding: EncodingKey::from_secret(key.as_ref()),
            decoding: DecodingKey::from_secret(key.as_ref()),
            validation,
            access_lifetime,
            refresh_lifetime,
        }
    }

    /// Lifetime of a refresh token, and of a session whose token is not refreshed.
    pub fn refresh_lifetime(&self) -> Duration {
        self.refresh_lifetime
    }

    /// Signs a token with the date `now`. The same claims result in the same token.
    pub fn sign(&self, claims: &Claims, now: Timestamp) -> Result<String> {
        let lifetime = match claims.token_type {
            TokenType::Access => self.access_lifetime,
            TokenType::Refresh => self.refresh_lifetime,
        };
        let payload = Payload {
            token_type: claims.token_type,
            exp: now.plus(lifetime).seconds(),
            iat: now.seconds(),
            jti: claims.jti.clone(),
            sid: claims.session.0,
            user_id: claims.user.to_string(),
            nbf: None,
            aud: false,
            iss: false,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &self.encoding)
            .map_err(Error::internal)
    }

    /// Verifies a token of either type. [`Error::TokenNotValid`] if its signature, algorithm, header, issuer or
    /// audience is not ours, a claim is missing or malformed, or it has expired or is not valid yet.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        if !OwnHeader::is_of(token) {
            return Err(Error::TokenNotValid);
        }
        let payload = jsonwebtoken::decode::<Payload>(token, &self.decoding, &self.validation)
            .map_err(|_| Error::TokenNotValid)?
            .claims;
        if !payload.is_good_at(now.seconds()) {
            return Err(Error::TokenNotValid);
        }
        Ok(Claims {
            token_type: payload.token_type,
            jti: payload.jti,
            session: SessionId(payload.sid),
            user: UserId(payload.user_id.parse().map_err(|_| Error::TokenNotValid)?),
        })
    }

    /// Like [`Self::verify`], for one type.
    pub fn verify_as(&self, kind: TokenType, token: &str, now: Timestamp) -> Result<Claims> {
        let claims = self.verify(token, now)?;
        if claims.token_type == kind { Ok(claims) } else { Err(Error::TokenNotValid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn signer(key: &str) -> Signer {
        Signer::new(key, Duration::from_secs(900), Duration::from_secs(86_400))
    }

    fn claims(token_type: TokenType) -> Claims {
        Claims { token_type, jti: "ab".repeat(16), session: SessionId(7), user: UserId(3) }
    }

    #[test]
    fn a_token_is_read_back_until_its_time_is_over() {
        let signer = signer("key");
        let claims = claims(TokenType::Access);
        let token = signer.sign(&claims, NOW).expect("signed");
        assert_eq!(signer.verify(&token, NOW.plus(Duration::from_secs(899))).ok(), Some(claims));
        assert!(signer.verify(&token, NOW.plus(Duration::from_secs(900))).is_err());
    }

    #[test]
    fn a_signer_keeps_its_key_out_of_logs() {
        assert_eq!(format!("{:?}", signer("key")), "Signer");
    }

    #[test]
    fn a_token_of_the_other_type_or_key_is_refused() {
        let signer = signer("key");
        let refresh = signer.sign(&claims(TokenType::Refresh), NOW).expect("signed");
        assert!(signer.verify_as(TokenType::Access, &refresh, NOW).is_err());
        assert!(self::signer("other").verify(&refresh, NOW).is_err());
    }

    /// A token with a valid signature over any header and claims.
    fn signed(header: &str, claims: &str) -> String {
        let key = EncodingKey::from_secret(derived_key("key", "meowsenger tokens").as_ref());
        let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("signed");
        format!("{message}.{signature}")
    }

    const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

    fn claims_with(more: &str) -> String {
        let jti = "ab".repeat(16);
        format!(r#"{{"token_type":"access","jti":"{jti}","sid":7,"user_id":"3",{more}}}"#)
    }

    #[test]
    fn only_headers_that_ask_for_nothing_more_are_accepted() {
        let claims = claims_with(r#""exp":1800000900,"iat":1800000000"#);
        for good in [HEADER, r#"{"alg":"HS256"}"#, r#"{"alg":"HS256","typ":"jwt"}"#] {
            assert!(signer("key").verify(&signed(good, &claims), NOW).is_ok(), "{good}");
        }
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"alg":"none"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","typ":"JOSE"}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","crit":["exp"],"exp":1800000900}"#,
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"HS256","b64":true}"#,
            r#"{"alg":"HS256","kid":"../../dev/null"}"#,
            r#"{"alg":"HS256","jku":"https://evil.example/keys"}"#,
            r#"{"alg":"HS256","x5u":"https://evil.example/keys"}"#,
            r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#,
        ] {
            assert!(signer("key").verify(&signed(bad, &claims), NOW).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates_and_origins_that_are_not_ours_are_refused() {
        let verify = |more: &str| signer("key").verify(&signed(HEADER, &claims_with(more)), NOW);
        let good = r#""exp":1800000900,"iat":1800000000"#;
        for more in ["", r#","nbf":1800000000"#, r#","nbf":0"#, r#","scope":"all""#] {
            assert!(verify(&format!("{good}{more}")).is_ok(), "{more}");
        }
        for more in [
            r#","nbf":1800000001"#,
            r#","nbf":9223372036854775807"#,
            r#","nbf":1800000000.5"#,
            r#","nbf":"1800000000""#,
            r#","aud":"us""#,
            r#","aud":[]"#,
            r#","aud":null"#,
            r#","iss":"us""#,
            r#","iss":null"#,
            r#","exp":1800000900"#,
        ] {
            assert!(verify(&format!("{good}{more}")).is_err(), "{more}");
        }
        for dates in [
            r#""exp":1800000900"#,
            r#""iat":1800000000"#,
            r#""exp":1800000000,"iat":1800000000"#,
            r#""exp":1800000900.0,"iat":1800000000"#,
            r#""exp":"1800000900","iat":1800000000"#,
            r#""exp":-1,"iat":-2"#,
            r#""exp":253402300800,"iat":1800000000"#,
            r#""exp":9223372036854775807,"iat":1800000000"#,
            r#""exp":9223372036854775808,"iat":1800000000"#,
            r#""exp":1e300,"iat":1800000000"#,
            r#""exp":1800000900,"iat":-1"#,
            r#""exp":1800000900,"iat":1800000901"#,
            r#""exp":1800000900,"iat":1800000000.5"#,
            r#""exp":1800000900,"iat":"1800000000""#,
            r#""exp":1800000900,"iat":9223372036854775807"#,
            r#""exp":1800000900,"iat":null"#,
        ] {
            assert!(verify(dates).is_err(), "{dates}");
        }
    }
}
