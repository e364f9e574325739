//! What only few messages have. It is stored with the message as one JSON text, null for most, so that a page of
//! messages needs no other table. What has to be unique, listed or counted is in tables of its own as well.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attachment::Attachment;
use super::mentions::Mentions;
use super::origins::ForwardOrigin;
use super::reactions::Reactions;

/// What a message has beside its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// The reactions.
    #[serde(default, skip_serializing_if = "Reactions::is_empty")]
    pub reactions: Reactions,
    /// The members that it mentions.
    #[serde(default, skip_serializing_if = "Mentions::is_empty")]
    pub mentions: Mentions,
    /// Where it was forwarded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ForwardOrigin>,
    /// The files that were sent with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// What only a later version knows. It is kept when this one changes the rest.
    #[serde(flatten)]
    later: Map<String, Value>,
}

impl Extras {
    /// Those of a new message.
    pub fn of_new(
        mentions: &Mentions,
        origin: Option<&ForwardOrigin>,
        attachments: &[Attachment],
    ) -> Option<Box<Self>> {
        let extras = || {
            let (mentions, origin) = (mentions.clone(), origin.cloned());
            Box::new(Self {
                mentions,
                origin,
                attachments: attachments.to_vec(),
                ..Self::default()
            })
        };
        (!mentions.is_empty() || origin.is_some() || !attachments.is_empty()).then(extras)
    }

    /// Reads what [`Self::stored`] has written, in this version or another.
    pub fn of_row(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The stored text; `None` if there is nothing to store.
    pub fn stored(&self) -> serde_json::Result<Option<String>> {
        match *self == Self::default() {
            true => Ok(None),
            false => serde_json::to_string(self).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Extras;
    use crate::domain::emoji::Emoji;
    use crate::domain::ids::UserId;

    #[test]
    fn nothing_is_stored_as_nothing() {
        let cat = Emoji::parse("🐈").expect("an emoji");
        let mut extras = Extras::default();
        assert_eq!(extras.stored().expect("JSON"), None);
        assert!(extras.reactions.add(&cat, UserId(1)));
        assert_eq!(
            extras.stored().expect("JSON").as_deref(),
            Some(r#"{"reactions":[{"emoji":"🐈","count":1,"users":[1]}]}"#)
        );
        extras.reactions.remove(&cat, UserId(1));
        assert_eq!(extras.stored().expect("JSON"), None);
    }

    #[test]
    fn what_a_later_version_stored_is_kept() {
        let text = r#"{"reactions":[{"emoji":"☃️‍🐈","count":1,"users":[1]}],"polls":{"a":[1,2.5]}}"#;
        let extras = Extras::of_row(text).expect("JSON");
        assert_eq!(extras.stored().expect("JSON").as_deref(), Some(text));
    }
}
