//! One description per body. Each body lists its fields once, in a function over a [`Visitor`]:
//! [`super::fields::Fields`] reads the values, [`Shape`] describes them for the OpenAPI and AsyncAPI
//! documents. So a document cannot differ from what the server accepts. Rules that concern several
//! fields follow in the body's `parse`; what a caller may do is not decided here.

use serde_json::json;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};

use crate::domain::avatar::NewAvatar;

use super::kinds::FieldKind;

/// Whether a field has to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// It has to, except with PATCH.
    Required,
    /// It may be left out, but not be null.
    Optional,
    /// It may be left out or null, with the same meaning.
    Nullable,
}

/// What is done with the fields of a body. Each method returns the value, or `None` if the field is
/// missing, wrong, or only described.
pub trait Visitor {
    /// A field, described by `about`.
    fn field<K: FieldKind>(
        &mut self,
        requirement: Requirement,
        name: &'static str,
        about: &'static str,
        kind: K,
    ) -> Option<K::Value>;

    /// An optional field that only exists for compatibility and is not described.
    fn alias<K: FieldKind>(&mut self, name: &'static str, kind: K) -> Option<K::Value>;

    /// A picture: a file in a form, or null (in a form an empty text) to remove it.
    fn picture(&mut self, name: &'static str) -> Option<NewAvatar>;

    /// A field that has to be sent, except with PATCH.
    fn required<K: FieldKind>(
        &mut self,
        name: &'static str,
        about: &'static str,
        kind: K,
    ) -> Option<K::Value> {
        self.field(Requirement::Required, name, about, kind)
    }

    /// A field that may be left out, but not be null.
    fn optional<K: FieldKind>(
        &mut self,
        name: &'static str,
        about: &'static str,
        kind: K,
    ) -> Option<K::Value> {
        self.field(Requirement::Optional, name, about, kind)
    }

    /// A field that may be left out or null, with the same meaning.
    fn nullable<K: FieldKind>(
        &mut self,
        name: &'static str,
        about: &'static str,
        kind: K,
    ) -> Option<K::Value> {
        self.field(Requirement::Nullable, name, about, kind)
    }
}

/// The schema of a body, built from the fields that it visits.
pub struct Shape(Object);

impl Visitor for Shape {
    fn field<K: FieldKind>(
        &mut self,
        requirement: Requirement,
        name: &'static str,
        about: &'static str,
        kind: K,
    ) -> Option<K::Value> {
        let schema = kind.schema(about, requirement == Requirement::Nullable);
        self.0.properties.insert(name.to_owned(), schema);
        if requirement == Requirement::Required {
            self.0.required.push(name.to_owned());
        }
        None
    }

    fn alias<K: FieldKind>(&mut self, _: &'static str, _: K) -> Option<K::Value> {
        None
    }

    fn picture(&mut self, name: &'static str) -> Option<NewAvatar> {
        let schema = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some(
                "The picture, as a file in a form. `null`, or an empty part of a form, removes it.",
            ));
        self.0.properties.insert(name.to_owned(), schema.into());
        None
    }
}

/// The schema of a body whose fields `visit` lists.
pub fn describe<T>(about: &str, visit: impl FnOnce(&mut Shape) -> T) -> RefOr<Schema> {
    let mut shape = Shape(ObjectBuilder::new().description(Some(about)).build());
    visit(&mut shape);
    Schema::Object(shape.0).into()
}

/// The same for one of several bodies, which its `type` names.
pub fn describe_variant<T>(
    tag: &str,
    about: &str,
    visit: impl FnOnce(&mut Shape) -> T,
) -> RefOr<Schema> {
    describe(about, |shape| {
        visit(shape);
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([json!(tag)]));
        shape.0.properties.insert("type".to_owned(), schema.into());
        shape.0.required.push("type".to_owned());
    })
}
