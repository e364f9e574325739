//! Forms: the fields that were sent, and fields as a template shows them, with what is wrong with them.

use url::form_urlencoded;

use crate::domain::error::FieldErrors;
use crate::wire::fields::{Fields, Form};

/// The fields of a form, as they were sent.
#[derive(Clone, Debug, Default)]
pub(super) struct FormData(Vec<(String, String)>);

impl FormData {
    /// Reads a body or a query.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// A field; the first of its name, empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    /// All values of a name, such as those of boxes that are checked.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// All fields, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same for the parsers of `wire`.
    pub(super) fn fields(&self) -> Fields {
        let mut form = Form::default();
        for (name, value) in &self.0 {
            form.add_text(name.clone(), value.clone());
        }
        form.into()
    }
}

/// A field as `parts.html` shows it.
#[derive(Debug, Default)]
pub(super) struct FieldView {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value: String,
    /// Help below the field.
    pub(super) help: &'static str,
    /// What is wrong with the value.
    pub(super) errors: Vec<String>,
}

impl FieldView {
    /// A field with a value and its errors.
    pub(super) fn new(
        name: &'static str,
        label: &'static str,
        value: &str,
        errors: Option<&FieldErrors>,
    ) -> Self {
        let errors = errors.and_then(|errors| errors.by_field().get(name)).cloned();
        Self { name, label, value: value.to_owned(), help: "", errors: errors.unwrap_or_default() }
    }
}
