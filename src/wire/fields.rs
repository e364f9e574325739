//! Reads a JSON object or a form field by field, as DRF's serializers do: all wrong fields are
//! reported at once, with DRF's texts, and unknown fields are ignored. What a field can be is in
//! `kinds`.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::domain::avatar::NewAvatar;
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::text::{NULL, REQUIRED};

use super::kinds::{FieldKind, type_name};
use super::visitor::{Requirement, Visitor};

/// DRF's `invalid` of `FileField`.
pub(super) const NOT_A_FILE: &str =
    "The submitted data was not a file. Check the encoding type on the form.";
/// DRF's `empty` of `FileField`.
pub(super) const EMPTY_FILE: &str = "The submitted file is empty.";

/// A form: texts and files by name, of which there may be several.
#[derive(Debug, Default)]
pub struct Form {
    texts: Map<String, Value>,
    files: HashMap<String, Bytes>,
}

impl Form {
    /// Adds a text. Several of the same name make a list, whose last text counts as the single value.
    pub fn add_text(&mut self, name: String, text: String) {
        let texts = self.texts.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(texts) = texts {
            texts.push(Value::String(text));
        }
    }

    /// Adds a file. Of several of the same name, the last counts.
    pub fn add_file(&mut self, name: String, content: Bytes) {
        self.files.insert(name, content);
    }
}

impl From<Form> for Fields {
    fn from(form: Form) -> Self {
        Self { values: form.texts, files: Some(form.files), ..Self::default() }
    }
}

/// An object being read. Call [`Fields::finish`] when all fields have been read.
#[derive(Debug, Default)]
pub struct Fields {
    /// In a form, every value is a list of texts.
    values: Map<String, Value>,
    /// `None` for JSON.
    files: Option<HashMap<String, Bytes>>,
    /// No field has to be sent.
    is_partial: bool,
    errors: FieldErrors,
}

impl Fields {
    /// The fields of a JSON object.
    pub fn of(values: Map<String, Value>) -> Self {
        Self { values, ..Self::default() }
    }

    /// Parses a body. An error if it is not JSON, or not an object.
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

    /// Removes a field and returns its value, of any type.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.values.remove(name)
    }

    /// Reads the fields of a PATCH: none of them has to be sent.
    pub fn partial(self) -> Self {
        Self { is_partial: true, ..self }
    }

    /// Adds an error that involves several fields.
    pub fn fault(&mut self, name: &str, text: impl Into<String>) {
        self.errors.add(name, text);
    }

    /// Whether no error was found so far.
    pub fn is_right(&self) -> bool {
        self.errors.by_field().is_empty()
    }

    /// Reports a missing field that is required because of other fields, unless it is wrong already.
    pub fn require(&mut self, name: &str) {
        if !self.errors.contains(name) {
            self.errors.add(name, REQUIRED);
        }
    }

    /// All errors, or `made`, which is `None` only if a field was wrong.
    pub fn finish<T>(self, made: Option<T>) -> Result<T> {
        self.errors.into_result()?;
        made.ok_or_else(|| Error::internal("a body was refused without a reason"))
    }

    /// The errors, for a caller that can use the other fields nevertheless.
    pub fn into_errors(self) -> FieldErrors {
        self.errors
    }

    fn take_value<K: FieldKind>(&mut self, name: &str) -> Option<Value> {
        match self.values.remove(name) {
            Some(Value::Array(texts)) if self.files.is_some() => K::of_form(texts),
            value => value,
        }
    }

    fn keep<T>(&mut self, name: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|text| self.errors.add(name, text)).ok()
    }
}

impl Visitor for Fields {
    fn field<K: FieldKind>(
        &mut self,
        requirement: Requirement,
        name: &'static str,
        _: &'static str,
        kind: K,
    ) -> Option<K::Value> {
        let parsed = match self.take_value::<K>(name) {
            None if requirement == Requirement::Required && !self.is_partial => {
                Err(REQUIRED.to_owned())
            }
            None => return None,
            Some(Value::Null) if requirement == Requirement::Nullable => return None,
            Some(Value::Null) if requirement != Requirement::Clearable => Err(NULL.to_owned()),
            Some(value) => kind.parse(value),
        };
        self.keep(name, parsed)
    }

    fn alias<K: FieldKind>(&mut self, name: &'static str, kind: K) -> Option<K::Value> {
        self.optional(name, "", kind)
    }

    fn picture(&mut self, name: &'static str) -> Option<NewAvatar> {
        let file = self.files.as_mut().and_then(|files| files.remove(name));
        let is_form = self.files.is_some();
        let value = match self.values.remove(name) {
            Some(Value::Array(mut texts)) if is_form => texts.pop(),
            value => value,
        };
        let parsed = match (file, value) {
            (Some(file), _) if file.is_empty() => Err(EMPTY_FILE.to_owned()),
            (Some(file), _) => Ok(NewAvatar::Uploaded(file)),
            (None, None) => return None,
            (None, Some(Value::Null)) => Ok(NewAvatar::Removed),
            (None, Some(Value::String(text))) if text.is_empty() && is_form => {
                Ok(NewAvatar::Removed)
            }
            (None, Some(_)) => Err(NOT_A_FILE.to_owned()),
        };
        self.keep(name, parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::kinds::{Integer, ObjectId, ObjectIds, text};

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let mut fields =
            Fields::parse(br#"{"a": 5, "b": null, "c": [1, "x"], "d": "7"}"#).expect("an object");
        fields.optional("a", "", text(Ok));
        fields.optional("b", "", text(Ok));
        fields.optional("c", "", ObjectIds::default());
        fields.nullable("d", "", ObjectId::default());
        fields.required("e", "", text(Ok));
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
        assert_eq!(
            fields.optional("a", "", Integer { min: 0, max: i64::MAX }),
            Some(3_738_112_351_496_258)
        );
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
