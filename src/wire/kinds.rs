//! What a field of a body can be. Each kind reads a value, with DRF's texts, and describes itself for
//! the documents. Types are strict: a number is not a text. Only in a form, where everything is text,
//! numbers and booleans are read from texts.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde_json::{Number, Value, json};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::ids::{ChatId, MAX_ID};
use crate::domain::numbering::Version;
use crate::domain::sync::{Versions, digits};
use crate::domain::text::no_such;

/// DRF's `invalid` of `CharField`.
const NOT_A_STRING: &str = "Not a valid string.";
/// DRF's `invalid` of `IntegerField`.
const NOT_AN_INTEGER: &str = "A valid integer is required.";
/// DRF's `invalid` of `BooleanField`.
const NOT_A_BOOLEAN: &str = "Must be a valid boolean.";

/// A kind of field.
pub trait FieldKind {
    /// What is read.
    type Value;

    /// The value of a JSON value. An error is the text for the field.
    fn parse(self, value: Value) -> Result<Self::Value, String>;

    /// The field's schema.
    fn schema(&self, about: &str, nullable: bool) -> RefOr<Schema>;

    /// The JSON value that a form's texts stand for. `None` if the field counts as missing.
    fn of_form(mut texts: Vec<Value>) -> Option<Value> {
        texts.pop()
    }
}

/// A text, and how it is parsed.
#[derive(Debug)]
pub struct Text<P> {
    parse: P,
    min: Option<usize>,
    max: Option<usize>,
    pattern: Option<&'static str>,
    is_secret: bool,
    example: Option<&'static str>,
}

/// A text that `parse` takes apart. What it requires is described by the methods below.
pub fn text<T, P: FnOnce(String) -> Result<T, String>>(parse: P) -> Text<P> {
    Text { parse, min: None, max: None, pattern: None, is_secret: false, example: None }
}

impl<P> Text<P> {
    /// At least so many characters.
    pub fn min(self, min: usize) -> Self {
        Self { min: Some(min), ..self }
    }

    /// At most so many characters, or any number of them for `usize::MAX`.
    pub fn max(self, max: usize) -> Self {
        Self { max: Some(max).filter(|max| *max != usize::MAX), ..self }
    }

    /// Matches a regular expression of ECMA-262 with the flag `u`.
    pub fn pattern(self, pattern: &'static str) -> Self {
        Self { pattern: Some(pattern), ..self }
    }

    /// Is a password, which forms do not show.
    pub fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Such as this.
    pub fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }
}

impl<T, P: FnOnce(String) -> Result<T, String>> FieldKind for Text<P> {
    type Value = T;

    fn parse(self, value: Value) -> Result<T, String> {
        match value {
            Value::String(text) => (self.parse)(text),
            _ => Err(NOT_A_STRING.to_owned()),
        }
    }

    fn schema(&self, about: &str, nullable: bool) -> RefOr<Schema> {
        leaf(Type::String, about, nullable)
            .min_length(self.min)
            .max_length(self.max)
            .pattern(self.pattern)
            .format(self.is_secret.then_some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .examples(self.example.map(Value::from))
            .into()
    }
}

/// One of the names of an enumeration.
#[derive(Clone, Copy, Debug)]
pub struct Choice<T>(&'static str, PhantomData<T>);

/// One of the names of `T`, which the documents call `schema`.
pub fn choice<T: TryFrom<String>>(schema: &'static str) -> Choice<T> {
    Choice(schema, PhantomData)
}

impl<T: TryFrom<String>> FieldKind for Choice<T> {
    type Value = T;

    fn parse(self, value: Value) -> Result<T, String> {
        let Value::String(name) = value else { return Err(NOT_A_STRING.to_owned()) };
        T::try_from(name.clone()).map_err(|_| format!("\"{name}\" is not a valid choice."))
    }

    fn schema(&self, about: &str, _: bool) -> RefOr<Schema> {
        let mut schema = Ref::from_schema_name(self.0);
        schema.description = about.to_owned();
        schema.into()
    }
}

/// A whole number from `min` to `max`.
#[derive(Clone, Copy, Debug)]
pub struct Integer {
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
}

impl FieldKind for Integer {
    type Value = i64;

    fn parse(self, value: Value) -> Result<i64, String> {
        match integer(&value)? {
            low if low < self.min => {
                Err(format!("Ensure this value is greater than or equal to {}.", self.min))
            }
            high if high > self.max => {
                Err(format!("Ensure this value is less than or equal to {}.", self.max))
            }
            number => Ok(number),
        }
    }

    fn schema(&self, about: &str, nullable: bool) -> RefOr<Schema> {
        let max = Some(self.max).filter(|max| *max != i64::MAX);
        whole_number(about, nullable).minimum(Some(self.min)).maximum(max).into()
    }

    fn of_form(texts: Vec<Value>) -> Option<Value> {
        number_of_form(texts)
    }
}

/// The id of another object.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectId {
    /// Such as this.
    pub example: Option<i64>,
}

impl FieldKind for ObjectId {
    type Value = i64;

    fn parse(self, value: Value) -> Result<i64, String> {
        id(&value)
    }

    fn schema(&self, about: &str, nullable: bool) -> RefOr<Schema> {
        whole_number(about, nullable)
            .minimum(Some(1))
            .examples(self.example.map(Value::from))
            .into()
    }

    fn of_form(texts: Vec<Value>) -> Option<Value> {
        number_of_form(texts)
    }
}

/// A list of ids of other objects. How many there have to be is checked by the body.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectIds {
    /// The fewest.
    pub min: Option<usize>,
    /// The most.
    pub max: Option<usize>,
    /// Such as these.
    pub example: &'static [i64],
}

impl FieldKind for ObjectIds {
    type Value = Vec<i64>;

    fn parse(self, value: Value) -> Result<Vec<i64>, String> {
        match value {
            Value::Array(items) => items.iter().map(id).collect(),
            other => {
                Err(format!("Expected a list of items but got type \"{}\".", type_name(&other)))
            }
        }
    }

    fn schema(&self, about: &str, _: bool) -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(whole_number("", false))
            .description(Some(about))
            .min_items(self.min)
            .max_items(self.max)
            .examples(Some(json!(self.example)).filter(|_| !self.example.is_empty()))
            .into()
    }

    fn of_form(texts: Vec<Value>) -> Option<Value> {
        Some(Value::Array(texts.into_iter().map(as_number).collect()))
    }
}

/// True or false.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boolean {
    /// What a missing field means.
    pub default: Option<bool>,
}

impl FieldKind for Boolean {
    type Value = bool;

    fn parse(self, value: Value) -> Result<bool, String> {
        value.as_bool().ok_or_else(|| NOT_A_BOOLEAN.to_owned())
    }

    fn schema(&self, about: &str, nullable: bool) -> RefOr<Schema> {
        leaf(Type::Boolean, about, nullable).default(self.default.map(Value::from)).into()
    }

    /// An empty text says nothing.
    fn of_form(mut texts: Vec<Value>) -> Option<Value> {
        match texts.pop()? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(as_boolean(&text).map_or(text.into(), Value::Bool)),
            other => Some(other),
        }
    }
}

/// A boolean that only some callers may set. From all others it is ignored, whatever it is; the action
/// decides which callers may set it.
#[derive(Clone, Copy, Debug)]
pub struct Reserved;

impl FieldKind for Reserved {
    type Value = bool;

    fn parse(self, value: Value) -> Result<bool, String> {
        Boolean::default().parse(value)
    }

    fn schema(&self, about: &str, nullable: bool) -> RefOr<Schema> {
        Boolean::default().schema(about, nullable)
    }

    fn of_form(texts: Vec<Value>) -> Option<Value> {
        Boolean::of_form(texts)
    }
}

/// A version for each chat's id.
#[derive(Clone, Copy, Debug)]
pub struct VersionsByChat;

impl FieldKind for VersionsByChat {
    type Value = Versions;

    fn parse(self, value: Value) -> Result<Versions, String> {
        let Value::Object(entries) = value else {
            let name = type_name(&value);
            return Err(format!("Expected a dictionary of items but got type \"{name}\"."));
        };
        let entry = |(chat, version): (&String, &Value)| {
            let chat = digits(chat.as_bytes()).map(ChatId).ok_or(NOT_AN_INTEGER)?;
            Ok((chat, Version(integer(version)?)))
        };
        entries.iter().map(entry).collect()
    }

    fn schema(&self, about: &str, _: bool) -> RefOr<Schema> {
        let mut schema = Ref::from_schema_name(Self::name());
        schema.description = about.to_owned();
        schema.into()
    }
}

impl PartialSchema for VersionsByChat {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,16}$"));
        ObjectBuilder::new()
            .description(Some("A version for each chat, by the chat's id."))
            .property_names(Some(id))
            .additional_properties(Some(whole_number("", false)))
            .examples([json!({"3": 17})])
            .into()
    }
}

impl ToSchema for VersionsByChat {
    fn name() -> Cow<'static, str> {
        "ChatVersions".into()
    }
}

fn leaf(kind: Type, about: &str, nullable: bool) -> ObjectBuilder {
    let schema = ObjectBuilder::new().description(Some(about).filter(|about| !about.is_empty()));
    if nullable {
        schema.schema_type(SchemaType::from_iter([kind, Type::Null]))
    } else {
        schema.schema_type(kind)
    }
}

fn whole_number(about: &str, nullable: bool) -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    leaf(Type::Integer, about, nullable).format(Some(format))
}

fn number_of_form(mut texts: Vec<Value>) -> Option<Value> {
    texts.pop().map(as_number)
}

/// The number that a form's text stands for: null if it is empty. Any other text stays a text.
fn as_number(value: Value) -> Value {
    match value.as_str().map(str::trim) {
        Some("") => Value::Null,
        Some(text) => text.parse::<i64>().map_or(value, Value::from),
        None => value,
    }
}

/// What DRF's `BooleanField` accepts in a form.
fn as_boolean(text: &str) -> Option<bool> {
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

/// A whole number; `7.0` is one, as in JSON Schema.
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

/// Python's name of a JSON type, as in DRF's texts.
pub(super) fn type_name(value: &Value) -> &'static str {
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
