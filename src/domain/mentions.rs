//! Mentions: which members a text names with `@`. Knows the text alone; who has which name is looked up by others.

use std::collections::HashMap;

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

use serde::{Deserialize, Serialize};

use super::ids::UserId;
use super::login_names::NAME_MAX;
use super::search::is_unspaced;
use super::text;

/// Most users that a message mentions.
pub const MENTIONS_MAX: usize = 50;
/// Most names that are looked up for a message, so that no text makes others wait. Ordinary texts have a few for each
/// `@`, and one for each character that follows in a script without spaces.
const NAMES_MAX: usize = 1_000;
/// What mentions everybody.
const ALL: &str = "all";

/// The members that a message mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mentions {
    /// The members that it names, in the order of the text, each once.
    pub users: Vec<UserId>,
    /// Whether it mentions everybody.
    pub all: bool,
}

impl Mentions {
    /// Whether it mentions nobody.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && !self.all
    }
}

/// The places of a text that may mention somebody. Each has the names that the text may mean there, by their keys, the
/// longest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates(Vec<Vec<String>>);

impl Candidates {
    /// Of a message's content.
    pub fn of(content: &str) -> Self {
        let (mut places, mut count) = (Vec::new(), 0);
        for (at, _) in content.match_indices('@') {
            if continues_name(&content[..at]) {
                continue;
            }
            let names = names(&content[at + 1..]);
            count += names.len();
            if count > NAMES_MAX {
                break;
            }
            places.extend(Some(names).filter(|names| !names.is_empty()));
        }
        Self(places)
    }

    /// Whether nobody can be mentioned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names to look up.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flatten().map(String::as_str)
    }

    /// Whether everybody may be meant.
    pub fn may_name_all(&self) -> bool {
        self.names().any(|name| name == ALL)
    }

    /// The members that they mean, by those who have these names. `may_all` says whether the sender may mention everybody.
    pub fn resolve(&self, members: &HashMap<&str, UserId>, may_all: bool) -> Mentions {
        let mut found = Mentions::default();
        for names in &self.0 {
            for name in names {
                let member = members.get(name.as_str());
                if may_all && name == ALL {
                    found.all = true;
                } else if let Some(user) = member {
                    if found.users.len() < MENTIONS_MAX && !found.users.contains(user) {
                        found.users.push(*user);
                    }
                } else {
                    continue;
                }
                break;
            }
        }
        found
    }
}

/// Whether an `@` after this text is part of something else, such as an e-mail address. An accent belongs to its letter.
/// After other characters it is none: many emoji end with a variation selector.
fn continues_name(before: &str) -> bool {
    let letter = before.chars().rev().find(|c| !is_accent(*c));
    letter.is_some_and(|c| (text::is_word(c) || "@.+-".contains(c)) && !is_unspaced(c))
}

/// Whether it can be in a username, also as an accent that normalisation joins with its letter.
fn is_of_name(c: char) -> bool {
    text::is_word(c) || "@.+-".contains(c) || is_mark(c)
}

/// A mark that is not drawn around others, as that of a keycap is.
fn is_accent(c: char) -> bool {
    is_mark(c)
        && CodePointMapData::<GeneralCategory>::new().get(c) != GeneralCategory::EnclosingMark
}

fn is_mark(c: char) -> bool {
    GeneralCategoryGroup::Mark.contains(CodePointMapData::<GeneralCategory>::new().get(c))
}

/// The names with which a text may begin, the longest first.
fn names(text: &str) -> Vec<String> {
    // Twice as many characters as a name has, since accents may be characters of their own.
    let run = text.chars().take(2 * NAME_MAX).take_while(|c| is_of_name(*c));
    let mut end = 0;
    let mut names = Vec::new();
    for c in run {
        end += c.len_utf8();
        if text[end..].chars().next().is_none_or(may_follow) {
            names.push(text::fold(&text[..end]));
        }
    }
    names.reverse();
    names
}

/// Whether a name may end before this character.
fn may_follow(c: char) -> bool {
    let is_alphanumeric = text::is_word(c) && c != '_';
    !is_mark(c) && (!is_alphanumeric || is_unspaced(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEMBERS: [&str; 8] = ["bob", "bob.smith", "zoë", "小明", "a@b", "bob_", "all", "x"];

    fn mentioned(text: &str, may_all: bool) -> (Vec<&'static str>, bool) {
        let keys: Vec<_> = MEMBERS.map(text::fold).into();
        let ids = (0..).map(UserId);
        let members: HashMap<_, _> = keys.iter().map(String::as_str).zip(ids).collect();
        let found = Candidates::of(text).resolve(&members, may_all);
        let name = |user: &UserId| MEMBERS[usize::try_from(user.0).expect("an index")];
        (found.users.iter().map(name).collect(), found.all)
    }

    #[test]
    fn the_longest_name_that_the_text_begins_with_is_mentioned() {
        for (text, names) in [
            ("@bob", &["bob"][..]),
            ("hi @bob.", &["bob"]),
            ("hi @bob, @Zoë!", &["bob", "zoë"]),
            ("(@BOB)", &["bob"]),
            ("@ＢＯＢ", &["bob"]),
            ("@zoe\u{308}", &["zoë"]),
            ("@ZOE\u{308}:", &["zoë"]),
            ("@bob.smith and @bob.smithy", &["bob.smith", "bob"]),
            ("@bob.smith.", &["bob.smith"]),
            ("@bobby", &[]),
            ("@bob1", &[]),
            ("@bob_", &["bob_"]),
            ("@bob__", &["bob_"]),
            ("@bob_x", &["bob"]),
            ("@bo", &[]),
            ("@zoe", &[]),
            ("tom@bob", &[]),
            ("tom.@bob", &[]),
            ("jose\u{301}@bob", &[]),
            ("@@bob", &[]),
            ("@a@b", &["a@b"]),
            ("@b@bob", &[]),
            ("@bob你好", &["bob"]),
            ("你好@bob你好@小明的", &["bob", "小明"]),
            ("สวัสดี@bobครับ", &["bob"]),
            ("@小明", &["小明"]),
            ("@小明x", &[]),
            ("@bob @bob @x", &["bob", "x"]),
            ("@ bob", &[]),
            ("@", &[]),
            ("", &[]),
            ("\n@bob\n", &["bob"]),
            ("🐈@bob🐈", &["bob"]),
            ("❤\u{fe0f}@bob❤\u{fe0f}", &["bob"]),
            ("1\u{fe0f}\u{20e3}@bob", &["bob"]),
            ("👍🏽@bob", &["bob"]),
            ("“@bob”—@x…", &["bob", "x"]),
        ] {
            assert_eq!(mentioned(text, true).0, names, "{text}");
        }
    }

    #[test]
    fn all_is_everybody_where_the_sender_may_and_else_a_name() {
        assert_eq!(mentioned("@all", true), (vec![], true));
        assert_eq!(mentioned("@ALL: @bob", true), (vec!["bob"], true));
        assert_eq!(mentioned("@all", false), (vec!["all"], false));
        assert_eq!(mentioned("@allow @all_x", true), (vec![], true));
        assert_eq!(mentioned("@ball", true), (vec![], false));
    }

    #[test]
    fn a_message_mentions_at_most_fifty() {
        let names: Vec<_> = (0..60).map(|n| format!("cat{n}")).collect();
        let ids = (0..60).map(UserId);
        let members: HashMap<_, _> = names.iter().map(String::as_str).zip(ids).collect();
        let text: String = names.iter().map(|name| format!("@{name} ")).collect();
        let found = Candidates::of(&text).resolve(&members, false);
        assert_eq!(found.users, (0..50).map(UserId).collect::<Vec<_>>());
    }

    #[test]
    fn no_text_has_many_names_to_look_up() {
        for text in ["你@", "@a.", "@a ", "@你"] {
            let candidates = Candidates::of(&text.repeat(5_000));
            assert!(candidates.names().count() <= NAMES_MAX, "{text}");
        }
    }

    proptest! {
        /// A member's name after `@`, between what may surround it, is always found.
        #[test]
        fn a_name_is_found_wherever_it_stands(
            before in "([a-z0-9.é你 ]{0,8}[ ,(你!])?",
            name in "[a-zé你]{1,5}([.+_-]?[a-z0-9]{1,3}){0,2}",
            after in "([ ,)!?你][a-z0-9.é你 ]{0,8})?",
        ) {
            let key = text::fold(&name);
            let user = UserId(7);
            let members = HashMap::from([(key.as_str(), user)]);
            let text = format!("{before}@{name}{after}");
            let found = Candidates::of(&text).resolve(&members, false);
            prop_assert_eq!(found.users, [user]);
        }

        /// What is found in any text stands there, and nothing panics.
        #[test]
        fn only_what_the_text_says_is_mentioned(text in "[@ab.你é\u{301} _-]{0,40}") {
            let keys = ["a", "b", "ab", "a.b", "你", "a你"];
            let ids = (0..).map(UserId);
            let members: HashMap<_, _> = keys.into_iter().zip(ids).collect();
            let found = Candidates::of(&text).resolve(&members, false);
            for user in found.users {
                let name = keys[usize::try_from(user.0).expect("an index")];
                let mention = format!("@{name}");
                prop_assert!(text::fold(&text).contains(&mention), "{} in {}", name, text);
            }
        }
    }
}
