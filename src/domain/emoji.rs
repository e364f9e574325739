//! Emoji: what a user may react with.

use serde::{Deserialize, Serialize};

/// DRF's wording for what is no emoji.
const INVALID: &str = "Enter a valid emoji.";
/// Asks for the coloured form of a character. It makes no difference here.
const VARIATION_SELECTOR: char = '\u{fe0f}';

/// One emoji that Unicode recommends for interchange (RGI), in its fully qualified form, so that each emoji has
/// exactly one text. Read from a row it is whatever was stored: another version may know emoji that this one does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Emoji(String);

impl Emoji {
    /// An emoji with or without variation selectors. The error is DRF's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = without_selectors(text);
        let known = emojis::get(&bare).ok_or(INVALID)?;
        // The crate's index mistakes some skin tones of couples for others.
        let mut forms = std::iter::once(known).chain(known.skin_tones().into_iter().flatten());
        let form = forms.find(|form| without_selectors(form.as_str()) == bare).ok_or(INVALID)?;
        Ok(Self(form.as_str().to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn without_selectors(text: &str) -> String {
    text.replace(VARIATION_SELECTOR, "")
}

#[cfg(test)]
mod tests {
    use super::{Emoji, without_selectors};

    fn parsed(text: &str) -> Option<String> {
        Emoji::parse(text).ok().map(|emoji| emoji.0)
    }

    #[test]
    fn every_emoji_has_one_form() {
        let all = emojis::iter().flat_map(|one| {
            let toned = one.skin_tones().into_iter().flatten();
            std::iter::once(one).chain(toned)
        });
        let mut count = 0;
        for emoji in all {
            let text = emoji.as_str();
            assert_eq!(parsed(text).as_deref(), Some(text));
            let bare = without_selectors(text);
            assert_eq!(parsed(&bare).as_deref(), Some(text), "{text} without selectors");
            count += 1;
        }
        assert!(count > 3_700, "{count}");
    }

    #[test]
    fn sequences_are_emoji_and_other_texts_are_not() {
        for (text, form) in [
            ("👍", "👍"),
            ("👍\u{fe0f}", "👍"),
            ("❤", "❤️"),
            ("❤️", "❤️"),
            ("👍🏽", "👍🏽"),
            ("🇺🇦", "🇺🇦"),
            ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"),
            ("👩‍❤️‍💋‍👨", "👩‍❤️‍💋‍👨"),
            ("👩🏿‍🤝‍👨🏻", "👩🏿‍🤝‍👨🏻"),
            ("#⃣", "#️⃣"),
            ("3️⃣", "3️⃣"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(form), "{text}");
        }
        for text in
            ["", "a", "#", "3", "👍👍", "👍 ", "🇺", "🏽", "\u{fe0f}", "🐈\u{200d}", "thumbsup"]
        {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }
}
