//! Reading a JSON object field by field, as DRF's serializers do: every wrong field is found, with
//! DRF's texts, and what is not asked for is ignored. Types are strict: a number is no text. Only a
//! form has nothing but texts, and its numbers and truths are read out of them.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Map, Number, Value};

use crate::domain::avatar::NewAvatar;
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::ids::{ChatId, MAX_ID};
use crate::domain::numbering::Version;
use crate::domain::sync::{Versions, digits};
use crate::domain::text::{NULL, REQUIRED, no_such};

/// DRF's `invalid` of `CharField`.
const NOT_A_STRING: &str = "Not a valid string.";
/// DRF's `invalid` of `IntegerField`.
const NOT_AN_INTEGER: &str = "A valid integer is required.";

/// DRF's `invalid` of `FileField`.
const NOT_A_FILE: &str = "The submitted data was not a file. Check the encoding type on the form.";
/// DRF's `empty` of `FileField`.
const EMPTY_FILE: &str = "The submitted file is empty.";

/// A form: texts and files by name, of which there may be several.
#[derive(Debug, Default)]
pub struct Form {
    texts: Map<String, Value>,
    files: HashMap<String, Bytes>,
}

impl Form {
    /// Adds a text. More of the same name make a list; who asks for one text gets the last.
    pub fn add_text(&mut self, name: String, text: String) {
        let texts = self.texts.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(texts) = texts {
            texts.push(Value::String(text));
        }
    }

    /// Adds a file. Of several of a name the last counts.
    pub fn add_file(&mut self, name: String, content: Bytes) {
        self.files.insert(name, content);
    }
}

impl From<Form> for Fields {
    fn from(form: Form) -> Self {
        Self { values: form.texts, files: Some(form.files), errors: FieldErrors::default() }
    }
}

/// An object being read. Call [`Fields::finish`] when every field has been asked for.
#[derive(Debug, Default)]
pub struct Fields {
    /// Of a form, every value is a list of texts.
    values: Map<String, Value>,
    /// `None`: it is JSON.
    files: Option<HashMap<String, Bytes>>,
    errors: FieldErrors,
}

impl Fields {
    /// Of an object that is one already.
    pub fn of(values: Map<String, Value>) -> Self {
        Self { values, ..Self::default() }
    }

    /// Parses a body. Not JSON, or not an object, is an error by itself.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Error::Malformed(format!("JSON parse error - {error}").into()))?;
        match value {
            Value::Object(values) => Ok(Self::of(values)),
            other => Err(Error::field(
                FieldErrors::NON_FIELD,
                format!("Invalid data. Expected a dictionary, but got {}.", type_name(&other)),
            )),
        }
    }

    /// A value of any type, out of the object.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// A text that must be there, as it stands.
    pub fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, String>,
    ) -> Option<T> {
        if !self.values.contains_key(name) {
            self.errors.add(name, REQUIRED);
            return None;
        }
        self.optional(name, parse)
    }

    /// A text that may be missing. Present, it may not be null.
    pub fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, String>,
    ) -> Option<T> {
        let parsed = match self.value(name)? {
            Value::String(text) => parse(text),
            Value::Null => Err(NULL.to_owned()),
            _ => Err(NOT_A_STRING.to_owned()),
        };
        self.keep(name, parsed)
    }

    /// A text that may be missing or null, which is the same.
    pub fn nullable<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(String) -> Result<T, String>,
    ) -> Option<T> {
        if self.values.get(name).is_none_or(Value::is_null) {
            return None;
        }
        self.optional(name, parse)
    }

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A whole number of `min` or more, which may be missing.
    pub fn integer(&mut self, name: &str, min: i64, max: i64) -> Option<i64> {
        let parsed = match self.number(name)? {
            Value::Null => Err(NULL.to_owned()),
            value => integer(&value).and_then(|number| match number {
                low if low < min => {
                    Err(format!("Ensure this value is greater than or equal to {min}."))
                }
                high if high > max => {
                    Err(format!("Ensure this value is less than or equal to {max}."))
                }
                number => Ok(number),
            }),
        };
        self.keep(name, parsed)
    }

    /// The same, and it must be there.
    pub fn required_integer(&mut self, name: &str, min: i64, max: i64) -> Option<i64> {
        if !self.values.contains_key(name) {
            self.errors.add(name, REQUIRED);
        }
        self.integer(name, min, max)
    }

    /// Versions by chat, which must be there.
    pub fn versions(&mut self, name: &str) -> Option<Versions> {
        let parsed = match self.values.remove(name) {
            None => Err(REQUIRED.to_owned()),
            Some(Value::Null) => Err(NULL.to_owned()),
            Some(Value::Object(entries)) => entries
                .iter()
                .map(|(chat, version)| {
                    let chat = digits(chat.as_bytes()).map(ChatId).ok_or(NOT_AN_INTEGER)?;
                    Ok((chat, Version(integer(version)?)))
                })
                .collect(),
            Some(other) => Err(format!(
                "Expected a dictionary of items but got type \"{}\".",
                type_name(&other)
            )),
        };
        self.keep(name, parsed)
    }

    /// A truth, which may be missing.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        let parsed = match self.truth(name)? {
            Value::Bool(value) => Ok(value),
            Value::Null => Err(NULL.to_owned()),
            _ => Err("Must be a valid boolean.".to_owned()),
        };
        self.keep(name, parsed)
    }

    /// The id of another object, which may be missing or null.
    pub fn nullable_id(&mut self, name: &str) -> Option<i64> {
        let value = self.number(name)?;
        if value.is_null() {
            return None;
        }
        let id = id(&value);
        self.keep(name, id)
    }

    /// The id of another object, which must be there.
    pub fn required_id(&mut self, name: &str) -> Option<i64> {
        let parsed = match self.number(name) {
            None => Err(REQUIRED.to_owned()),
            Some(Value::Null) => Err(NULL.to_owned()),
            Some(value) => id(&value),
        };
        self.keep(name, parsed)
    }

    /// A list of ids of other objects, which may be missing.
    pub fn ids(&mut self, name: &str) -> Option<Vec<i64>> {
        let parsed = match self.values.remove(name)? {
            Value::Array(items) => {
                let form = self.files.is_some();
                let items = items.into_iter().map(|item| if form { as_number(item) } else { item });
                items.map(|item| id(&item)).collect()
            }
            Value::Null => Err(NULL.to_owned()),
            other => {
                Err(format!("Expected a list of items but got type \"{}\".", type_name(&other)))
            }
        };
        self.keep(name, parsed)
    }

    /// A picture, which may be missing. Null takes it away, as an empty text of a form does.
    pub fn picture(&mut self, name: &str) -> Option<NewAvatar> {
        let file = self.files.as_mut().and_then(|files| files.remove(name));
        let parsed = match (file, self.value(name)) {
            (Some(file), _) if file.is_empty() => Err(EMPTY_FILE.to_owned()),
            (Some(file), _) => Ok(NewAvatar::Uploaded(file)),
            (None, value) => match value? {
                Value::Null => Ok(NewAvatar::Removed),
                Value::String(text) if text.is_empty() && self.files.is_some() => {
                    Ok(NewAvatar::Removed)
                }
                _ => Err(NOT_A_FILE.to_owned()),
            },
        };
        self.keep(name, parsed)
    }

    /// Adds a fault that shows only when fields are looked at together.
    pub fn fault(&mut self, name: &str, text: impl Into<String>) {
        self.errors.add(name, text);
    }

    /// Whether nothing wrong was found so far.
    pub fn is_right(&self) -> bool {
        self.errors.by_field().is_empty()
    }

    /// Says that a field is missing which only another field's value makes required.
    pub fn require(&mut self, name: &str) {
        if !self.errors.contains(name) {
            self.errors.add(name, REQUIRED);
        }
    }

    /// What was found wrong, or what `make` makes of the fields that were read. `make` answers
    /// `None` only where a field was wrong.
    pub fn finish<T>(self, made: Option<T>) -> Result<T> {
        self.errors.into_result()?;
        made.ok_or_else(|| Error::internal("a body was refused without a reason"))
    }

    /// What was found wrong, for who can use the rest all the same.
    pub fn into_errors(self) -> FieldErrors {
        self.errors
    }

    /// A value; of a form, the last text of that name.
    fn value(&mut self, name: &str) -> Option<Value> {
        match (self.values.remove(name)?, &self.files) {
            (Value::Array(mut texts), Some(_)) => texts.pop(),
            (value, _) => Some(value),
        }
    }

    /// A value that is to be a number.
    fn number(&mut self, name: &str) -> Option<Value> {
        let value = self.value(name)?;
        Some(if self.files.is_some() { as_number(value) } else { value })
    }

    /// A value that is to be a truth. An empty text of a form says nothing.
    fn truth(&mut self, name: &str) -> Option<Value> {
        let value = self.value(name)?;
        match (&value, &self.files) {
            (Value::String(text), Some(_)) if text.is_empty() => None,
            (Value::String(text), Some(_)) => Some(as_truth(text).map_or(value, Value::Bool)),
            _ => Some(value),
        }
    }

    fn keep<T>(&mut self, name: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|text| self.errors.add(name, text)).ok()
    }
}

/// The number that a form's text is; no text, none; else the text itself.
fn as_number(value: Value) -> Value {
    match value.as_str().map(str::trim) {
        Some("") => Value::Null,
        Some(text) => text.parse::<i64>().map_or(value, Value::from),
        None => value,
    }
}

/// What DRF's `BooleanField` takes for a truth in a form.
fn as_truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// DRF's `IntegerField`, strictly, of 64 bits.
fn integer(value: &Value) -> Result<i64, String> {
    value.as_number().and_then(whole).ok_or_else(|| NOT_AN_INTEGER.to_owned())
}

/// A whole number; `7.0` is one, as JSON Schema has it.
fn whole(number: &Number) -> Option<i64> {
    let exact = |float: &f64| float.fract() == 0.0 && float.abs() <= MAX_ID as f64;
    number.as_i64().or_else(|| number.as_f64().filter(exact).map(|float| float as i64))
}

/// DRF's `PrimaryKeyRelatedField`, strictly: only whole numbers are keys.
fn id(value: &Value) -> Result<i64, String> {
    match value {
        Value::Number(number) => whole(number).ok_or_else(|| no_such(number)),
        other => Err(format!("Incorrect type. Expected pk value, received {}.", type_name(other))),
    }
}

/// Python's name of a JSON type, as DRF's texts have it.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let mut fields =
            Fields::parse(br#"{"a": 5, "b": null, "c": [1, "x"], "d": "7"}"#).expect("an object");
        fields.optional("a", Ok);
        fields.optional("b", Ok);
        fields.ids("c");
        fields.nullable_id("d");
        fields.required("e", Ok);
        let Err(Error::Invalid(errors)) = fields.finish(Some(())) else { panic!("no error") };
        let texts: Vec<_> = errors.by_field().values().map(|texts| texts[0].as_str()).collect();
        assert_eq!(
            texts,
            [
                "Not a valid string.",
                "This field may not be null.",
                "Incorrect type. Expected pk value, received str.",
                "Incorrect type. Expected pk value, received str.",
                "This field is required.",
            ]
        );
    }

    #[test]
    fn a_whole_number_written_with_a_point_is_read_exactly() {
        let mut fields = Fields::parse(br#"{"a": 3738112351496258.0}"#).expect("an object");
        assert_eq!(fields.integer("a", 0, i64::MAX), Some(3_738_112_351_496_258));
    }

    #[test]
    fn what_is_no_object_is_told_as_drf_does() {
        let rubbish = Fields::parse(b"{\"a\": \xff}");
        assert!(
            matches!(rubbish, Err(Error::Malformed(text)) if text.starts_with("JSON parse error - "))
        );
        for (body, name) in [("[]", "list"), ("\"x\"", "str"), ("1", "int"), ("null", "NoneType")] {
            let Err(Error::Invalid(errors)) = Fields::parse(body.as_bytes()) else { panic!() };
            let text = &errors.by_field()["non_field_errors"][0];
            assert_eq!(*text, format!("Invalid data. Expected a dictionary, but got {name}."));
        }
        let deep = "[".repeat(10_000);
        assert!(matches!(Fields::parse(deep.as_bytes()), Err(Error::Malformed(_))));
    }
}
