//! Rules for text that several nouns share: lengths in Unicode code points, DRF's wording, and the key by
//! which names are compared. Knows no field.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

/// DRF's `required`.
pub const REQUIRED: &str = "This field is required.";
/// DRF's `null`.
pub const NULL: &str = "This field may not be null.";
/// DRF's `blank`.
pub const BLANK: &str = "This field may not be blank.";
/// Django's `ProhibitNullCharactersValidator`. PostgreSQL's text cannot contain NUL.
pub const NO_NUL: &str = "Null characters are not allowed.";

/// Characters of a value that an error quotes.
const QUOTED_MAX: usize = 100;

/// A value for an error message, in quotes: cut if it is long, and without the user and password of a URL.
pub fn quoted(value: &str) -> String {
    let value = match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://…{}", &value[..scheme], &value[at..])
        }
        _ => value.to_owned(),
    };
    match value.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{:?} (cut)", &value[..end]),
        None => format!("{value:?}"),
    }
}

/// DRF's `does_not_exist` of `PrimaryKeyRelatedField`.
pub fn no_such(id: impl std::fmt::Display) -> String {
    format!("Invalid pk \"{id}\" - object does not exist.")
}

/// DRF's `max_length`.
pub fn too_long(max: usize) -> String {
    format!("Ensure this field has no more than {max} characters.")
}

/// The validation errors of a text with a limit in characters: NUL, then length.
pub fn check(value: &str, max: usize) -> Result<(), String> {
    if value.contains('\0') {
        return Err(NO_NUL.to_owned());
    }
    // A text has at most as many characters as bytes, so most texts need no counting.
    if value.len() > max && value.chars().count() > max {
        return Err(too_long(max));
    }
    Ok(())
}

/// Whether Python's `strip` would leave nothing: it also strips four control characters.
pub fn is_blank(value: &str) -> bool {
    value.chars().all(|c| c.is_whitespace() || matches!(c, '\x1c'..='\x1f'))
}

/// As [`check`], and not blank.
pub fn check_present(value: &str, max: usize) -> Result<(), String> {
    if is_blank(value) {
        return Err(BLANK.to_owned());
    }
    check(value, max)
}

/// Whether Python's regular expressions consider it a word character (`\w`): letters,
/// numbers and the underscore. (Rust's `is_alphanumeric` also takes vowel signs and circled
/// letters.)
pub fn is_word(c: char) -> bool {
    let kind = CodePointMapData::<GeneralCategory>::new().get(c);
    let word = GeneralCategoryGroup::Letter.union(GeneralCategoryGroup::Number);
    c == '_' || word.contains(kind)
}

/// NFKC, as Django normalises usernames (`AbstractBaseUser.normalize_username`).
pub fn nfkc(value: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(value).into_owned()
}

/// The key by which names are compared: NFKC, then Unicode's full case folding, then NFKC again, since
/// folding can undo it.
pub fn fold(value: &str) -> String {
    nfkc(&CaseMapper::new().fold_string(&nfkc(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_quotes_neither_a_long_value_nor_a_password() {
        assert_eq!(quoted("every\nwhere"), r#""every\nwhere""#);
        assert_eq!(quoted("https://tom:hunter2@x.org"), r#""https://…@x.org""#);
        let long = quoted(&"ü".repeat(100_000));
        assert!(long.len() < 250 && long.ends_with("ü\" (cut)"), "{long}");
    }

    #[test]
    fn names_fold_over_case_width_and_composition() {
        for (one, other) in [("Zoë", "ZOE\u{308}"), ("ＭＥＯＷ", "meow"), ("Straße", "STRASSE")]
        {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
        }
        assert_ne!(fold("zoe"), fold("zoë"));
    }

    #[test]
    fn lengths_count_code_points() {
        assert!(check("🐈🐈🐈", 3).is_ok());
        assert_eq!(check("🐈🐈🐈🐈", 3), Err(too_long(3)));
        assert_eq!(check("a\0", 9), Err(NO_NUL.to_owned()));
        assert_eq!(check_present(" \u{2003}\n\x1f", 9), Err(BLANK.to_owned()));
    }
}
