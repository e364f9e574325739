//! Checks a line of a table: a JSON object with exactly the table's columns, each of its type. What the
//! database would silently convert or cut is refused here. Constraints are the database's.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A column as a line must have it.
#[derive(Clone, Debug)]
pub struct RowRule {
    /// Its name.
    pub name: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// What its values are.
    pub kind: Expected,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A whole number of 64 bits.
    Integer,
    /// A text without NUL, which PostgreSQL cannot store.
    Text,
    /// `true` or `false`.
    Boolean,
}

/// The columns of a table.
#[derive(Clone, Debug)]
pub struct RowRules(pub Vec<RowRule>);

impl RowRules {
    /// Checks a line. Returns its `id`, or 0 if the table has no such column.
    pub fn check(&self, line: &str) -> Result<i64, String> {
        let mut reader = serde_json::Deserializer::from_str(line);
        let id = reader.deserialize_map(RowVisitor(self)).map_err(|error| without_line(&error))?;
        reader.end().map_err(|error| without_line(&error))?;
        Ok(id)
    }
}

/// The lines are counted elsewhere, and each has one.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

struct RowVisitor<'a>(&'a RowRules);

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<i64, A::Error> {
        let rules = &self.0.0;
        let (mut seen, mut id) = (vec![false; rules.len()], 0);
        while let Some(name) = map.next_key::<String>()? {
            let Some(index) = rules.iter().position(|rule| rule.name == name) else {
                return Err(A::Error::custom(format!("unknown column {name:?}")));
            };
            if std::mem::replace(&mut seen[index], true) {
                return Err(A::Error::custom(format!("the column {name:?} is there twice")));
            }
            let value: &RawValue = map.next_value()?;
            let number = rules[index].check(value.get()).map_err(A::Error::custom)?;
            if name == "id" {
                id = number;
            }
        }
        match seen.iter().position(|seen| !seen) {
            Some(index) => {
                Err(A::Error::custom(format!("the column {:?} is missing", rules[index].name)))
            }
            None => Ok(id),
        }
    }
}

impl RowRule {
    /// Checks a value. Returns it if it is a number.
    fn check(&self, json: &str) -> Result<i64, String> {
        if json == "null" && self.nullable {
            return Ok(0);
        }
        let wanted = match self.kind {
            Expected::Integer => match json.parse() {
                Ok(number) => return Ok(number),
                Err(_) => "a whole number of 64 bits",
            },
            Expected::Boolean if matches!(json, "true" | "false") => return Ok(0),
            Expected::Boolean => "true or false",
            Expected::Text => match serde_json::from_str::<String>(json) {
                Ok(text) if !text.contains('\0') => return Ok(0),
                Ok(_) => "a text without NUL",
                Err(_) => "a text",
            },
        };
        Err(format!("the column {:?} is not {wanted}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_exactly_the_columns_of_the_table() {
        let rule = |name: &str, kind, nullable| RowRule { name: name.to_owned(), nullable, kind };
        let rules = RowRules(vec![
            rule("id", Expected::Integer, false),
            rule("name", Expected::Text, true),
            rule("is_cat", Expected::Boolean, false),
        ]);
        for (line, id) in [
            (r#"{"id":9223372036854775807,"name":"\u0007🐈\u202e","is_cat":true}"#, i64::MAX),
            (r#"{"is_cat" : false, "name" : null, "id" : -1}"#, -1),
        ] {
            assert_eq!(rules.check(line), Ok(id), "{line}");
        }
        for (line, error) in [
            ("", "EOF"),
            ("[]", "expected a JSON object"),
            (r#"{"id":1,"name":"x","is_cat":tr"#, "at column"),
            (r#"{"id":1,"name":"x","is_cat":true} {}"#, "trailing characters"),
            (r#"{"id":1,"name":"x"}"#, "\"is_cat\" is missing"),
            (r#"{"id":1,"name":"x","is_cat":true,"tail":1}"#, "unknown column \"tail\""),
            (r#"{"id":1,"id":1,"name":"x","is_cat":true}"#, "\"id\" is there twice"),
            (r#"{"id":9223372036854775808,"name":"x","is_cat":true}"#, "\"id\" is not a whole"),
            (r#"{"id":1.0,"name":"x","is_cat":true}"#, "\"id\" is not a whole"),
            (r#"{"id":null,"name":"x","is_cat":true}"#, "\"id\" is not a whole"),
            (r#"{"id":1,"name":1,"is_cat":true}"#, "\"name\" is not a text"),
            (r#"{"id":1,"name":"a\u0000","is_cat":true}"#, "without NUL"),
            (r#"{"id":1,"name":"x\ud800","is_cat":true}"#, "\"name\" is not a text"),
            (r#"{"id":1,"name":"x","is_cat":1}"#, "\"is_cat\" is not true or false"),
        ] {
            let found = rules.check(line).expect_err(line);
            assert!(found.contains(error), "{line}: {found}");
        }
    }
}
