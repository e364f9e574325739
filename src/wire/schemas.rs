//! What all schemas of the documents have in common. Knows no noun.

use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::domain::ids::MAX_ID;

/// Limits the integers in a schema to those that a JavaScript number represents exactly. No id, `seq`,
/// `version` or count is ever larger. Where the server accepts larger ones, such as a `seq` beyond the newest
/// message, they mean the same as the largest.
pub fn limit_integers(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            if is_integer(&object.schema_type) && object.maximum.is_none() {
                object.maximum = Some(MAX_ID.into());
            }
            object.properties.values_mut().for_each(limit_integers);
            if let Some(AdditionalProperties::RefOr(values)) =
                object.additional_properties.as_deref_mut()
            {
                limit_integers(values);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                limit_integers(items);
            }
        }
        Schema::OneOf(choice) => choice.items.iter_mut().for_each(limit_integers),
        Schema::AnyOf(choice) => choice.items.iter_mut().for_each(limit_integers),
        Schema::AllOf(parts) => parts.items.iter_mut().for_each(limit_integers),
        _ => {}
    }
}

fn is_integer(kind: &SchemaType) -> bool {
    match kind {
        SchemaType::Type(kind) => *kind == Type::Integer,
        SchemaType::Array(kinds) => kinds.contains(&Type::Integer),
        SchemaType::AnyValue => false,
    }
}
