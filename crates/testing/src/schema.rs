//! Validates values against JSON Schema, as far as the API's documents use it, without patterns. A
//! crate for this would bring thirty others.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The document that a schema belongs to, and how strictly it is read.
#[derive(Clone, Copy)]
pub struct Schemas<'a> {
    /// Resolves references.
    pub document: &'a Value,
    /// Whether an object may have undescribed fields.
    pub open: bool,
}

impl Schemas<'_> {
    /// The error is that of the innermost value that does not match.
    pub fn check(self, schema: &Value, value: &Value) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.check(self.document.pointer(&reference[1..]).ok_or(reference)?, value);
        }
        if *schema == json!({}) {
            return Ok(());
        }
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            let faults: Vec<_> =
                choices.iter().filter_map(|one| self.check(one, value).err()).collect();
            return if faults.len() < choices.len() { Ok(()) } else { Err(faults.join("; ")) };
        }
        let kinds: &[&str] = match value {
            Value::Null => &["null"],
            Value::Bool(_) => &["boolean"],
            Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
                &["integer", "number"]
            }
            Value::Number(_) => &["number"],
            Value::String(_) => &["string"],
            Value::Array(_) => &["array"],
            Value::Object(_) => &["object"],
        };
        let expected = &schema["type"];
        let matches = |kind: &&str| {
            expected == kind
                || expected.as_array().is_some_and(|kinds| kinds.contains(&json!(kind)))
        };
        if !schema.is_null() && schema["allOf"].is_null() && !kinds.iter().any(matches) {
            return Err(format!("{value} is not of type {expected}"));
        }
        if schema.get("const").is_some_and(|constant| constant != value) {
            return Err(format!("{value} is not {}", schema["const"]));
        }
        if schema["enum"].as_array().is_some_and(|choices| !choices.contains(value)) {
            return Err(format!("{value} is not one of {}", schema["enum"]));
        }
        within_bounds(schema, value)?;
        for item in value.as_array().into_iter().flatten() {
            self.check(&schema["items"], item)?;
        }
        self.check_fields(schema, value)
    }

    fn check_fields(self, schema: &Value, value: &Value) -> Result<(), String> {
        let Some(fields) = value.as_object() else { return Ok(()) };
        let mut parts = vec![schema];
        parts.extend(schema["allOf"].as_array().into_iter().flatten());
        for name in parts.iter().filter_map(|part| part["required"].as_array()).flatten() {
            fields
                .get(name.as_str().unwrap_or_default())
                .ok_or_else(|| format!("{name} is missing"))?;
        }
        for (name, value) in fields {
            let described = parts.iter().find_map(|part| {
                part["properties"].get(name).or_else(|| part.get("additionalProperties"))
            });
            match described {
                Some(schema) => {
                    self.check(schema, value).map_err(|fault| format!("{name}: {fault}"))?;
                }
                None if self.open => {}
                None => return Err(format!("{name} is not described")),
            }
        }
        Ok(())
    }
}

fn within_bounds(schema: &Value, value: &Value) -> Result<(), String> {
    let size = |count: usize| Some(count as f64);
    let (size, least, most) = match value {
        Value::Number(number) => (number.as_f64(), "minimum", "maximum"),
        Value::String(text) => (size(text.chars().count()), "minLength", "maxLength"),
        Value::Array(items) => (size(items.len()), "minItems", "maxItems"),
        _ => return Ok(()),
    };
    let [least, most] = [least, most].map(|name| schema[name].as_f64());
    let size = size.unwrap_or_default();
    if least.is_some_and(|least| size < least) || most.is_some_and(|most| size > most) {
        return Err(format!("{value} is out of bounds"));
    }
    let is_time = |text| OffsetDateTime::parse(text, &Rfc3339).is_ok();
    let misses = schema["format"] == "date-time" && !value.as_str().is_none_or(is_time);
    if misses { Err(format!("{value} is not a timestamp")) } else { Ok(()) }
}
