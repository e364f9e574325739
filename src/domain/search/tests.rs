//! Which names a query finds, in which order, and what it costs at most.

use super::entry::PIECES_MAX;
use super::{Effort, IndexEntry, Query, Tier, key};

type Person = (&'static str, &'static str, &'static str);

fn entry((username, first, last): Person) -> IndexEntry {
    IndexEntry::of(username, first, last)
}

/// The tier and typos of a match. Checks that the index finds it, whichever word is looked up.
fn ask(text: &str, person: Person) -> Option<(Tier, u8)> {
    let (query, IndexEntry { names, pieces }) = (Query::parse(text), entry(person));
    let mut found = None;
    for word in 0..query.words() {
        let plain = query.plain(&names, word);
        found = plain.or_else(|| query.with_typos(&names, &mut Effort::default()));
        let range = match found.as_ref()?.tier {
            Tier::Name => query.names_range(),
            _ => query.word_range(word),
        };
        let is_in = |piece: &&String| range.start <= **piece && **piece < range.end;
        let first = pieces.iter().filter(is_in).min();
        match found.as_ref()?.tier {
            Tier::Typos => {
                let lacking = query.lacking(word).iter().any(|piece| pieces.contains(piece));
                assert!(first.is_some() || lacking, "{text}: {word} does not find {pieces:?}");
            }
            _ => assert_eq!(first, found.as_ref().map(|found| &found.key), "{text}"),
        }
    }
    found.map(|found| (found.tier, found.typos))
}

#[test]
fn case_width_diacritics_and_spaces_are_folded() {
    for (text, folded) in [
        ("  Zoë\tØre ", "zoe ore"),
        ("Łukasz İnce", "lukasz ince"),
        ("ＭＥＯＷ", "meow"),
        ("Straße", "strasse"),
        ("Алёна Йод", "алена иод"),
        ("हिन्दी", "हिन्दी"),
        ("김철수", "김철수"),
        ("が\0b", "が b"),
    ] {
        assert_eq!(key(text), folded);
    }
}

#[test]
fn names_match_in_tiers() {
    let ivan = ("vanya_p", "Ivan", "Petrov");
    for (text, expected) in [
        ("VANYA_P", Some((Tier::Name, 0))),
        ("ivan petrov", Some((Tier::Name, 0))),
        ("Petrov Ivan", Some((Tier::Name, 0))),
        ("vanya.p", Some((Tier::Name, 0))),
        ("petr", Some((Tier::Name, 0))),
        ("i", Some((Tier::Name, 0))),
        ("vanya", Some((Tier::Name, 0))),
        ("iv petr", Some((Tier::Words, 0))),
        ("p va", Some((Tier::Words, 0))),
        ("Ivon", Some((Tier::Typos, 1))),
        ("Petorv", Some((Tier::Typos, 1))),
        ("Petrov Ivn", Some((Tier::Typos, 1))),
        ("Petorv Ivn", Some((Tier::Typos, 2))),
        ("Ivan Sidorov", None),
        ("tro", None),
        ("xvxn", None),
    ] {
        assert_eq!(ask(text, ivan), expected, "{text}");
    }
    assert_eq!(ask("p", ("ivan", "Tom", "O'Pal")), Some((Tier::Words, 0)));
}

/// A whole name comes before those that begin with it, whole words before the rest of them.
#[test]
fn a_tier_is_in_the_order_of_its_keys() {
    let query = Query::parse("Marina");
    let people = [("marina", "", ""), ("tom", "Wolf", "Marina"), ("marina2", "", "")];
    let keys = people.map(|person| query.plain(&entry(person).names, 0).expect("a match"));
    assert!(keys.is_sorted(), "{keys:?}");
    assert_eq!(query.username(), "marina");
}

#[test]
fn one_wrong_letter_of_five_is_forgiven_wherever_it_is() {
    for typo in ["xlice", "axice", "alxce", "alixe", "alicx", "lice", "aliice", "laice"] {
        assert_eq!(ask(typo, ("alice", "", "")), Some((Tier::Typos, 1)), "{typo}");
    }
    assert_eq!(ask("Алекснадр", ("x", "Александр", "")), Some((Tier::Typos, 1)));
    assert_eq!(ask("Konstantxn", ("x", "Konstantin", "")), Some((Tier::Typos, 1)));
    assert_eq!(ask("Konstnatxn", ("x", "Konstantin", "")), Some((Tier::Typos, 2)));
    assert_eq!(ask("Konstxxxxn", ("x", "Konstantin", "")), None);
    assert_eq!(ask("tom", ("tim", "", "")), None);
}

#[test]
fn scripts_without_spaces_are_found_from_any_character_on() {
    let person = ("x", "小明", "王");
    for (text, found) in [
        ("王小明", true),
        ("王 小明", true),
        ("小明", true),
        ("明", true),
        ("王", true),
        ("大", false),
    ] {
        assert_eq!(ask(text, person).is_some(), found, "{text}");
    }
    assert!(ask("小明", ("王小明", "", "")).is_some());
    assert!(ask("철수", ("x", "김철수", "")).is_some());
    assert!(ask("田", ("x", "たろう田中", "")).is_some());
}

#[test]
fn symbols_are_ordinary_characters() {
    assert_eq!(ask("%", ("x", "50% cat", "")), Some((Tier::Words, 0)));
    assert_eq!(ask("%", ("x", "cat", "")), None);
    assert_eq!(ask("_", ("_tom", "", "")), Some((Tier::Words, 0)));
    assert_eq!(ask("\\", ("tom", "", "")), None);
    assert_eq!(ask("a_b", ("axb", "", "")), None);
    assert_eq!(ask(" \0\t\u{301}", ("tom", "", "")), None);
}

#[test]
fn an_emoji_is_a_word_in_all_its_forms() {
    for text in ["❤️ tom", "❤ tom", "tom ❤", "❤️"] {
        assert!(ask(text, ("x", "❤️ Tom", "")).is_some(), "{text}");
        assert!(ask(text, ("x", "❤ Tom", "")).is_some(), "{text}");
        assert_eq!(ask(text, ("x", "☀️ Tom", "")), None, "{text}");
    }
    let text_form = "\u{2764}\u{fe0e}";
    for (one, other) in [
        ("❤️", text_form),
        ("❤", text_form),
        ("1️⃣", "1\u{20e3}"),
        ("👁️‍🗨️", "👁‍🗨"),
        ("❤️‍🔥", "❤‍🔥"),
        ("👍🏽", "👍"),
        ("👍🏽", "👍🏿"),
        ("葛\u{e0100}城", "葛城"),
    ] {
        for (text, name) in [(one, other), (other, one)] {
            assert!(ask(text, ("x", name, "Tom")).is_some(), "{text} {name}");
        }
    }
    assert!(ask("👍", ("x", "👍🏽 Tom", "")).is_some());
    assert!(ask("👧", ("x", "👨‍👩‍👧", "")).is_some());
    assert_eq!(ask("🇩🇪", ("x", "🇫🇷", "")), None);
}

/// If the counts of two words are the same, the longer one is looked up. So a piece shows by which
/// word it was found.
#[test]
fn the_rarest_word_is_looked_up() {
    let query = Query::parse("an ivanov anna");
    assert_eq!(query.rarest([9, 9, 2].into_iter()), 2);
    assert_eq!(query.rarest([9, 9, 9].into_iter()), 1);
    assert_eq!(query.word_of("=anna"), Some(2));
    assert_eq!(query.word_of("=andrei"), Some(0));
    assert_eq!(query.word_of("=tom"), None);
}

/// Names of the longest: words without end, scripts without spaces, letters that become many.
const SLOW: [&str; 4] = ["王", "a ", "ﷺ", "é"];

#[test]
fn the_longest_names_have_bounded_entries() {
    for one in SLOW {
        let name: String = one.chars().cycle().take(150).collect();
        let IndexEntry { names, pieces } = IndexEntry::of(&name, &name, &name);
        assert!(pieces.len() <= PIECES_MAX, "{one}: {}", pieces.len());
        assert!(names.lines().all(|name| name.chars().count() <= super::NAME_MAX), "{one}");
    }
}

#[test]
fn the_comparisons_of_a_search_are_bounded() {
    let names: String = (0..150).map(|n| format!("word{n} ")).collect();
    let names = IndexEntry::of("x", &names, &names).names;
    let query = Query::parse("wxrd wyrd wzrd ward wbrd wcrd wdrd werd");
    let mut effort = Effort::default();
    let all = effort.0;
    for _ in 0..1_000 {
        query.with_typos(&names, &mut effort);
    }
    assert_eq!(effort.0, 0, "of {all}");
    assert!(query.with_typos(&names, &mut effort).is_none());
    let long = Query::parse(&"meow ".repeat(1_000));
    assert!(long.words() <= 8 && long.key().chars().count() <= 320);
}
