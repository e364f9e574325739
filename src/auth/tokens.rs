//! JWTs as simplejwt writes them: HS256 with `token_type, exp, iat, jti, sid` and `user_id`.
//! A token is only a claim: whether its session still lives is asked of the store by the actions.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::domain::error::{Error, Result};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::time::Timestamp;

/// What a token may be used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Goes with every request.
    Access,
    /// Buys the next pair, once.
    Refresh,
}

/// What a token says, once its signature and its time are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// What it may be used for.
    pub token_type: TokenType,
    /// Its own id: 32 hexadecimal digits.
    pub jti: String,
    /// The session that it dies with.
    pub session: SessionId,
    /// Whose it is.
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
}

/// Signs and checks tokens.
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
    /// With the site's `SECRET_KEY`, as simplejwt does, so that tokens of a Django site that had
    /// the same key are at least well-formed here.
    pub fn new(secret_key: &str, access_lifetime: Duration, refresh_lifetime: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are compared with the app's clock, below.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        Self {
            encoding: EncodingKey::from_secret(secret_key.as_bytes()),
            decoding: DecodingKey::from_secret(secret_key.as_bytes()),
            validation,
            access_lifetime,
            refresh_lifetime,
        }
    }

    /// How long a refresh token lives, and its session without one.
    pub fn refresh_lifetime(&self) -> Duration {
        self.refresh_lifetime
    }

    /// Signs a token made at `now`: the same claims make the same token.
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
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &self.encoding)
            .map_err(Error::internal)
    }

    /// Reads a token of either type. Anything wrong with it is [`Error::TokenNotValid`]: a foreign
    /// signature or algorithm, a missing or odd claim, or its time being over.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        let payload = jsonwebtoken::decode::<Payload>(token, &self.decoding, &self.validation)
            .map_err(|_| Error::TokenNotValid)?
            .claims;
        if payload.exp <= now.seconds() {
            return Err(Error::TokenNotValid);
        }
        Ok(Claims {
            token_type: payload.token_type,
            jti: payload.jti,
            session: SessionId(payload.sid),
            user: UserId(payload.user_id.parse().map_err(|_| Error::TokenNotValid)?),
        })
    }

    /// As [`Self::verify`], of one type only.
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
    fn a_token_of_the_other_type_key_or_algorithm_is_refused() {
        let signer = signer("key");
        let refresh = signer.sign(&claims(TokenType::Refresh), NOW).expect("signed");
        assert!(signer.verify_as(TokenType::Access, &refresh, NOW).is_err());
        assert!(self::signer("other").verify(&refresh, NOW).is_err());

        let (_, rest) = refresh.split_once('.').expect("three parts");
        let (payload, _) = rest.split_once('.').expect("three parts");
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"HS512","typ":"JWT"}"#] {
            use base64::Engine;
            let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
            for signature in ["", "AAAA"] {
                let forged = format!("{header}.{payload}.{signature}");
                assert!(signer.verify(&forged, NOW).is_err(), "{forged}");
            }
        }
    }
}
