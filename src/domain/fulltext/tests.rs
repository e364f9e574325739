//! What matches what, in many scripts; that the index finds all that matches, whatever was merged; and that
//! no message is left out.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::domain::ids::{ChatId, MessageId, UserId};
use crate::domain::time::Timestamp;

use super::terms::terms;
use super::*;

fn found(query: &str, text: &str) -> Option<Vec<String>> {
    let query = MessageQuery::parse(query)?;
    let places = query.highlights(&Tokenizer::default().tokens(text))?;
    let part = |(start, end)| text.chars().skip(start).take(end - start).collect();
    Some(places.into_iter().map(part).collect())
}

#[track_caller]
fn finds(query: &str, text: &str, parts: &[&str]) {
    let expected =
        (!parts.is_empty()).then(|| parts.iter().map(|part| (*part).to_owned()).collect());
    assert_eq!(found(query, text), expected, "{query:?} in {text:?}");
}

#[test]
fn all_words_must_occur_and_the_last_one_may_be_a_beginning() {
    finds("meow", "Meow, said the cat. MEOW!", &["Meow", "MEOW"]);
    finds("the meow", "Meow, said the cat.", &["Meow", "the"]);
    finds("cat dog", "Meow, said the cat.", &[]);
    finds("said ca", "Meow, said the cat.", &["said", "cat"]);
    finds("sai cat", "Meow, said the cat.", &[]);
    finds("eow", "Meow", &[]);
    finds("l'amour", "Vive l’amour", &["l", "amour"]);
}

#[test]
fn a_phrase_matches_only_its_words_in_their_order() {
    finds("\"the cat\"", "It is the cat, the other cat", &["the cat"]);
    finds("\"cat the\"", "It is the cat", &[]);
    finds("\"the ca\"", "It is the cat", &[]);
    finds("\"the ca", "It is the cat", &["the cat"]);
    finds("“the cat” it", "It is the cat", &["It", "the cat"]);
    finds("\"new-york\"", "New York", &["New York"]);
}

#[test]
fn case_accents_width_and_compatibility_forms_are_folded() {
    for (query, text) in [
        ("strasse", "STRAẞE"),
        ("zoe", "ZOE\u{308}"),
        ("ＭＥＯＷ", "meow"),
        ("file", "ﬁle"),
        ("привет", "ПРИВЕТ"),
        ("елка", "Ёлка"),
        ("καλημερα", "Καλημέρα"),
        ("σοφος", "ΣΟΦΟΣ"),
        ("ﻣﺮﺣﺒﺎ", "مَرْحَبًا"),
        ("مرحبا", "مرحـــبا"),
        ("שלום", "שָׁלוֹם"),
        ("ガ", "ｶﾞ"),
        ("한글", "한글"),
        ("12", "①②"),
        ("istanbul", "İstanbul"),
        ("kg", "㎏"),
    ] {
        assert!(found(query, text).is_some(), "{query:?} in {text:?}");
        assert!(found(text, query).is_some(), "{text:?} in {query:?}");
    }
    finds("か", "が", &[]);
    finds("कि", "का", &[]);
}

#[test]
fn every_script_works() {
    finds("東京", "私は東京都に住む", &["東京"]);
    finds("京東", "東京", &[]);
    finds("東都", "東京都", &[]);
    finds("東京", "東、京", &[]);
    finds("京", "私は東京に", &["京"]);
    finds("住む 東京", "私は東京都に住む", &["東京", "住む"]);
    finds("喵", "小猫说喵喵", &["喵", "喵"]);
    finds("สวัสดี", "เขาพูดว่าสวัสดีครับ", &["สวัสดี"]);
    finds("สวัสด", "เขาพูดว่าสวัสดีครับ", &["สวัสดี"]);
    finds("ສະບາຍ", "ສະບາຍດີ", &["ສະບາຍ"]);
    finds("សួស្តី", "ជំរាបសួស្តីអ្នក", &["សួស្តី"]);
    finds("မင်္ဂလာ", "မင်္ဂလာပါ", &["မင်္ဂလာ"]);
    finds("한국", "남한국사람은", &["한국"]);
    finds("カタカナ", "これはカタカナです", &["カタカナ"]);
    finds("नमस्ते", "नमस्ते दुनिया", &["नमस्ते"]);
    finds("বাংলা", "আমার বাংলা ভাষা", &["বাংলা"]);
    finds("வணக்", "வணக்கம் உலகம்", &["வணக்கம்"]);
    finds("გამარ", "გამარჯობა", &["გამარჯობა"]);
    finds("բարեւ", "Բարեւ ձեզ", &["Բարեւ"]);
    finds("ሰላም", "ሰላም ለሁሉም", &["ሰላም"]);
}

#[test]
fn emoji_are_found() {
    finds("🐈", "meow🐈!", &["🐈"]);
    finds("👍", "great 👍🏽", &["👍🏽"]);
    finds("👍🏽", "great 👍", &["👍"]);
    finds("❤", "I ❤️ cats", &["❤️"]);
    finds("👩", "👨‍👩‍👧", &["👨‍👩‍👧"]);
    finds("🇩🇪", "🇦🇩🇪🇸", &[]);
    finds("🇪🇸", "🇦🇩🇪🇸", &["🇪🇸"]);
}

#[test]
fn nothing_but_punctuation_is_no_query() {
    for text in
        ["", "  ", "?!…", "\"\"", "(-_-)", "。、", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "\u{200d}"]
    {
        assert_eq!(MessageQuery::parse(text), None, "{text:?}");
    }
}

/// Few characters, so that texts match often.
fn text() -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec![
        "a",
        "b",
        "B",
        " ",
        " ",
        "é",
        "e\u{301}",
        "ab",
        "東",
        "京",
        "が",
        "か\u{3099}",
        "ดี",
        "ด",
        "👍",
        "👍🏽",
        "-",
        ",",
        "ﬁ",
        "f",
        "i",
        "\"",
        "한",
        "\u{200d}",
        "न",
        "ि",
    ]);
    prop::collection::vec(character, 1..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_index_has_whatever_matches(texts in prop::collection::vec(text(), 1..8), query in text()) {
        let Some(query) = MessageQuery::parse(&query) else { return Ok(()) };
        let entries: Vec<_> = texts.iter().zip(1..).map(|(text, id)| entry(id, id % 3, text)).collect();
        let (pages, _) = batch(&entries);
        for entry in &entries {
            if query.highlights(&Tokenizer::default().tokens(&entry.content)).is_some() {
                for lookup in query.lookups() {
                    let found = search(&pages, &lookup, Allowed::All);
                    prop_assert!(found.iter().any(|one| one.message == entry.id), "{lookup:?} in {entry:?}");
                }
            }
        }
    }

    #[test]
    fn highlights_are_in_order_and_within_the_text(text in text(), query in text()) {
        let Some(query) = MessageQuery::parse(&query) else { return Ok(()) };
        let places = query.highlights(&Tokenizer::default().tokens(&text)).unwrap_or_default();
        let mut last = 0;
        for (start, end) in places {
            prop_assert!(last <= start && start < end && end <= text.chars().count());
            last = end;
        }
    }

    #[test]
    fn any_text_has_tokens_at_growing_places(text in ".*") {
        let tokens = Tokenizer::default().tokens(&text);
        let length = text.chars().count();
        prop_assert!(tokens.iter().all(|token| token.start < token.end && token.end <= length));
        prop_assert!(tokens.is_sorted_by_key(|token| token.start));
        prop_assert!(terms(&tokens).all(|term| !term.contains(char::is_control)));
    }

    #[test]
    fn merged_segments_find_what_the_parts_do(
        texts in prop::collection::vec(text(), 1..12),
        query in text(),
        cut in 0..12_usize,
        gone in prop::collection::btree_set(1..12_i64, 0..4),
        chats in prop::collection::btree_set(0..4_i64, 0..4),
    ) {
        let Some(query) = MessageQuery::parse(&query) else { return Ok(()) };
        let entries: Vec<_> = texts.iter().zip(1..).map(|(text, id)| entry(id, id % 4, text)).collect();
        let (old, new) = entries.split_at(cut.min(entries.len()));
        let parts = vec![batch(old).0, batch(new).0];
        let merged = merge(&parts, |_, posting| !gone.contains(&posting.message.0));
        let chats: Vec<_> = chats.into_iter().map(ChatId).collect();
        for lookup in query.lookups() {
            let allowed = Allowed::Chats(&chats);
            let mut expected: BTreeSet<_> = parts.iter().flat_map(|part| search(part, &lookup, allowed)).collect();
            expected.retain(|posting| !gone.contains(&posting.message.0));
            prop_assert_eq!(search(&merged, &lookup, allowed), expected);
        }
    }

    #[test]
    fn damaged_pages_do_no_harm(data in prop::collection::vec(any::<u8>(), 0..64)) {
        find(&data, &TermLookup::all_senders(), Allowed::All, &mut Vec::new());
        find(&data, &TermLookup::Prefix(String::new()), Allowed::Chats(&[ChatId(1)]), &mut Vec::new());
        let _ = Zones::of_bytes(&data).between(None, None);
    }

    #[test]
    fn zones_leave_no_message_out(times in prop::collection::vec((1..5_000_i64, 0..100_i64), 1..900)) {
        let timed: Vec<_> = times.iter().map(|(id, at)| (MessageId(*id), Timestamp::from_micros(*at))).collect();
        let (one, two) = timed.split_at(timed.len() / 2);
        let zones = Zones::merged([Zones::of(one.to_vec()), Zones::of(two.to_vec())]);
        prop_assert_eq!(&Zones::of_bytes(&zones.to_bytes()), &zones);
        let (after, before) = (Timestamp::from_micros(20), Timestamp::from_micros(30));
        let ranges = zones.between(Some(after), Some(before));
        prop_assert!(ranges.is_sorted());
        for (id, at) in timed {
            let is_in = ranges.iter().any(|(first, last)| (*first..=*last).contains(&id));
            prop_assert!(is_in || at <= after || at >= before, "{id} at {at:?}");
        }
    }
}

fn entry(id: i64, chat: i64, content: &str) -> IndexedMessage {
    IndexedMessage {
        id: MessageId(id),
        chat: ChatId(chat),
        sender: UserId(1),
        timestamp: Timestamp::from_micros(id),
        content: content.to_owned(),
        has_attachments: false,
    }
}

fn batch(entries: &[IndexedMessage]) -> (Vec<IndexPage>, Zones) {
    let mut batch = IndexBatch::default();
    entries.iter().for_each(|entry| batch.add(entry));
    batch.finish()
}

/// As the database does: from the last page that begins before the lookup's terms.
fn search(pages: &[IndexPage], lookup: &TermLookup, allowed: Allowed<'_>) -> BTreeSet<Posting> {
    let mut found = Vec::new();
    let floor =
        pages.iter().map(|page| page.first.as_str()).filter(|first| *first <= lookup.from()).max();
    let to = lookup.to();
    for page in
        pages.iter().filter(|page| page.first < to && page.first.as_str() >= floor.unwrap_or(""))
    {
        find(&page.data, lookup, allowed, &mut found);
    }
    found.into_iter().collect()
}

/// A transaction that takes ids when it begins and shows them when it ends, if it does not fail.
#[derive(Clone, Debug)]
struct Writer {
    ids: i64,
    begins: usize,
    takes: usize,
    ends: usize,
    fails: bool,
}

fn writer() -> impl Strategy<Value = Writer> {
    (1..4_i64, 0..20_usize, 0..5_usize, 0..20_usize, prop::bool::weighted(0.2)).prop_map(
        |(ids, begins, takes, lasts, fails)| Writer {
            ids,
            begins,
            takes: begins + takes,
            ends: begins + takes + lasts,
            fails,
        },
    )
}

proptest! {
    #[test]
    fn no_message_of_racing_transactions_is_left_out(
        mut writers in prop::collection::vec(writer(), 1..12),
        reads in prop::collection::btree_set(0..50_usize, 1..20),
        restarts in prop::collection::btree_set(0..20_usize, 0..3),
    ) {
        writers.sort_by_key(|writer| writer.begins);
        let (mut next_id, mut visible) = (1, BTreeSet::new());
        let mut taken: Vec<Vec<i64>> = vec![Vec::new(); writers.len()];
        let (mut gaps, mut indexed) = (Gaps::after(MessageId(0)), BTreeSet::new());
        for time in 0..=60 {
            for (writer, ids) in writers.iter().zip(&mut taken) {
                if writer.takes == time {
                    ids.extend(next_id..next_id + writer.ids);
                    next_id += writer.ids;
                }
                if writer.ends == time && !writer.fails {
                    visible.extend(ids.iter().copied());
                }
            }
            if !reads.contains(&time) && time < 59 {
                continue;
            }
            let begun = writers.iter().filter(|writer| writer.begins <= time).count();
            let running = writers.iter().take(begun).position(|writer| writer.ends > time);
            let horizon = Horizon {
                ended: i64::try_from(running.unwrap_or(begun)).expect("small"),
                begun: i64::try_from(begun).expect("small"),
            };
            let (firsts, lasts) = gaps.open();
            let is_open = |id: i64| firsts.iter().zip(&lasts).any(|(first, last)| (first.0..=last.0).contains(&id));
            let read: Vec<_> = visible.iter().copied().filter(|id| *id > gaps.reached().0 || is_open(*id)).collect();
            indexed.extend(read.iter().copied());
            gaps.found(&read.into_iter().map(MessageId).collect::<Vec<_>>(), horizon);
            prop_assert!(visible.iter().all(|id| *id > gaps.cursor().0 || indexed.contains(id)));
            // Another node goes on where this one had all.
            if restarts.contains(&(time / 3)) {
                let cursor = gaps.cursor();
                indexed.retain(|id| *id <= cursor.0);
                gaps = Gaps::after(cursor);
            }
        }
        prop_assert!(visible.iter().all(|id| indexed.contains(id)), "{visible:?} {indexed:?}");
    }
}
