//! The tokens of a text: words, the characters of scripts that are written without spaces, and emoji,
//! each folded, with its place in the text.

use std::collections::HashMap;

use icu_properties::props::{ExtendedPictographic, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::search::{bare, is_unspaced};

/// Folded clusters that a tokenizer remembers: more than the characters of most chats.
const REMEMBERED: usize = 4_096;
/// Longer clusters are not remembered.
const CLUSTER_MAX: usize = 16;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Letters and digits between anything else.
    Word,
    /// One character of a script that is written without spaces, with its marks.
    Character,
    /// An emoji or a similar symbol.
    Symbol,
}

/// A part of a text that can be searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Folded.
    pub text: String,
    /// What it is.
    pub kind: TokenKind,
    /// Where it begins in the text, in code points.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Whether nothing is between it and the token before.
    pub touches: bool,
}

/// Makes tokens. Remembers how clusters are folded, since that takes longer than everything else.
#[derive(Debug, Default)]
pub struct Tokenizer {
    folded: HashMap<String, String>,
}

impl Tokenizer {
    /// The tokens of a text, in their order.
    pub fn tokens(&mut self, text: &str) -> Vec<Token> {
        let mut tokens = Tokens::default();
        if text.is_ascii() {
            for (at, c) in text.chars().enumerate() {
                tokens.push(c.to_ascii_lowercase(), (at, at + 1));
            }
            return tokens.done;
        }
        let mut start = 0;
        for cluster in text.graphemes(true) {
            let end = start + cluster.chars().count();
            tokens.push_cluster(self.fold(cluster), (start, end));
            start = end;
        }
        tokens.done
    }

    fn fold(&mut self, cluster: &str) -> &str {
        if cluster.len() > CLUSTER_MAX || self.folded.len() >= REMEMBERED {
            self.folded.clear();
        }
        self.folded.entry(cluster.to_owned()).or_insert_with(|| fold(cluster))
    }
}

/// Folds case, accents, width and compatibility forms, and removes what only says how to draw.
fn fold(cluster: &str) -> String {
    let mut folded = bare(cluster);
    folded.retain(|c| !is_ignored(c));
    folded
}

/// Joiners and other invisible characters, stretched Arabic letters, marks that `bare` keeps because
/// they are rare in names, skin tones, and the frame of a keycap.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        | '\u{640}' | '\u{670}' | '\u{610}'..='\u{61a}' | '\u{6d6}'..='\u{6ed}'
        | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{20e3}' | '\u{e0020}'..='\u{e007f}')
}

/// What a folded character does to the tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Extends(TokenKind),
    Marks,
    Separates,
}

fn effect(c: char) -> Effect {
    if c.is_ascii() {
        let is_word = c.is_ascii_alphanumeric();
        return if is_word { Effect::Extends(TokenKind::Word) } else { Effect::Separates };
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    let letters = GeneralCategoryGroup::Letter.union(GeneralCategoryGroup::Number);
    if GeneralCategoryGroup::Mark.contains(category) {
        Effect::Marks
    } else if letters.contains(category) {
        let kind = if is_unspaced(c) { TokenKind::Character } else { TokenKind::Word };
        Effect::Extends(kind)
    } else if category == GeneralCategory::OtherSymbol
        || CodePointSetData::new::<ExtendedPictographic>().contains(c)
    {
        Effect::Extends(TokenKind::Symbol)
    } else {
        Effect::Separates
    }
}

/// The tokens so far.
#[derive(Default)]
struct Tokens {
    done: Vec<Token>,
    /// Whether something that belongs to no token is behind the last one.
    separated: bool,
}

impl Tokens {
    fn push_cluster(&mut self, folded: &str, place: (usize, usize)) {
        let mut characters = folded.chars();
        let is_flag = |c: Option<char>| matches!(c, Some('\u{1f1e6}'..='\u{1f1ff}'));
        if is_flag(characters.next()) && is_flag(characters.next()) {
            self.begin(folded, TokenKind::Symbol, place);
            return;
        }
        folded.chars().for_each(|c| self.push(c, place));
    }

    fn push(&mut self, c: char, (start, end): (usize, usize)) {
        match effect(c) {
            Effect::Separates => self.separated = true,
            Effect::Marks => self.extend(c, end),
            Effect::Extends(kind) => match self.done.last() {
                Some(last) if kind == TokenKind::Word && last.kind == kind && !self.separated => {
                    self.extend(c, end);
                }
                _ => self.begin(c.encode_utf8(&mut [0; 4]), kind, (start, end)),
            },
        }
    }

    fn begin(&mut self, text: &str, kind: TokenKind, (start, end): (usize, usize)) {
        let touches = !self.separated && !self.done.is_empty();
        self.done.push(Token { text: text.to_owned(), kind, start, end, touches });
        self.separated = false;
    }

    /// Adds to the last token, if there is one that has not ended.
    fn extend(&mut self, c: char, end: usize) {
        if let Some(last) = self.done.last_mut()
            && !self.separated
        {
            last.text.push(c);
            last.end = end;
        }
    }
}
