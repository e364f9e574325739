//! A fast parser for the body of a sync, without a tree of JSON values: most bodies are valid, and
//! some name a thousand chats. It gives up on anything unusual; `sync::Sync` reports what is wrong.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::domain::ids::ChatId;
use crate::domain::numbering::AccountVersion;
use crate::domain::sync::{Known, Versions, digits};

use super::sync::LIMIT_MAX;

/// Parses a body. `None` if anything is wrong with it or unusual: then [`super::sync::Sync`] reads it.
pub fn quick(body: &[u8]) -> Option<Known> {
    // Of a text, not of bytes: else every key would be looked at for what is no UTF-8.
    let body: Body = serde_json::from_str(str::from_utf8(body).ok()?).ok()?;
    let Body { versions, epoch, limit: Limit(limit), account } = body;
    let right = (1..=LIMIT_MAX).contains(&limit) && account.is_none_or(|version| version.0 >= 0);
    right.then_some(Known { versions, epoch, limit, account })
}

/// An unknown field is unusual: skipping it would accept what the other parser refuses, such as a number
/// that is out of range.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(deserialize_with = "by_chat")]
    versions: Versions,
    epoch: Option<String>,
    #[serde(default)]
    limit: Limit,
    /// May be missing, but not null.
    #[serde(default, deserialize_with = "some")]
    account: Option<AccountVersion>,
}

fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AccountVersion>, D::Error> {
    AccountVersion::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct Limit(i64);

impl Default for Limit {
    fn default() -> Self {
        Self(Known::LIMIT)
    }
}

fn by_chat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Versions, D::Error> {
    deserializer.deserialize_map(ByChat)
}

struct ByChat;

impl<'de> Visitor<'de> for ByChat {
    type Value = Versions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("versions by chat")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Versions, A::Error> {
        let mut versions = Vec::with_capacity(1_024);
        while let Some((key, version)) = entries.next_entry::<&str, _>()? {
            // With leading zeros, two keys can name one chat. Which of them counts is decided elsewhere.
            let id = digits(key.as_bytes()).filter(|_| !key.starts_with('0'));
            let chat = id.ok_or_else(|| A::Error::custom("no id"))?;
            versions.push((ChatId(chat), version));
        }
        Ok(versions.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fields::Fields;
    use crate::wire::sync::Sync;

    #[test]
    fn what_is_read_quickly_is_read_alike() {
        for (body, is_quick) in [
            (r#"{"versions": {}}"#, true),
            (r#"{"versions": {"1": 2, "30": 4, "1": 3}, "epoch": null}"#, true),
            (r#"{"versions": {"1": 2}, "other": [1.5]}"#, false),
            (r#"{"versions": {"7": 1, "007": 2}}"#, false),
            (r#"{"limit": 1000, "epoch": "past", "versions": {"7": -1}}"#, true),
            (r#"{"versions": {}, "account": 0}"#, true),
            (r#"{"account": 17, "versions": {"1": 2}}"#, true),
            (r#"{"versions": {}, "account": null}"#, false),
            (r#"{"versions": {}, "account": -1}"#, false),
            (r#"{"versions": {}, "account": 1.0}"#, false),
            (r#"{"versions": {}, "account": "1"}"#, false),
            (r#"{"versions": {"\u0031": 2}, "limit": 5}"#, false),
            (r#"{"versions": {"1": 2.0}}"#, false),
            (r#"{"versions": {"+1": 2}}"#, false),
            (r#"{"versions": {"1": "2"}}"#, false),
            (r#"{"versions": [], "limit": 5}"#, false),
            (r#"{"versions": {}, "limit": 0}"#, false),
            (r#"{"versions": {}, "limit": null}"#, false),
            (r#"{"versions": {}, "versions": {"1": 1}}"#, false),
            (r#"{"versions": {}, "epoch": 5}"#, false),
            (r#"{"limit": 5}"#, false),
            ("[]", false),
        ] {
            let quickly = quick(body.as_bytes());
            assert_eq!(quickly.is_some(), is_quick, "{body}");
            let slowly = Fields::parse(body.as_bytes()).and_then(Sync::parse);
            if let Some(quickly) = quickly {
                let slowly = slowly.expect("as right");
                assert_eq!(quickly.versions, slowly.versions, "{body}");
                assert_eq!((quickly.epoch, quickly.limit), (slowly.epoch, slowly.limit), "{body}");
                assert_eq!(quickly.account, slowly.account, "{body}");
            }
        }
    }
}
