//! One description per body. Each body lists its fields once, in a function over a [`Visitor`]:
//! [`super::fields::Fields`] reads the values, [`Shape`] describes them for the OpenAPI and AsyncAPI
//! documents. So a document cannot differ from what the server accepts. Rules that concern several
//! fields follow in the body's `parse`; what a caller may do is not decided here.

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::{Discriminator, KnownFormat, OneOfBuilder, Ref, RefOr, Schema, SchemaFormat};

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
    /// It may be left out, and null is one of its values.
    Clearable,
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

    /// A field that may be left out; the kind reads null as a value.
    fn clearable<K: FieldKind>(
        &mut self,
        name: &'static str,
        about: &'static str,
        kind: K,
    ) -> Option<K::Value> {
        self.field(Requirement::Clearable, name, about, kind)
    }
}

/// The schema of a body, built from the fields that it visits.
pub struct Shape {
    object: Object,
    /// Whether it is the schema of a form, which can carry files.
    is_form: bool,
}

impl Visitor for Shape {
    fn field<K: FieldKind>(
        &mut self,
        requirement: Requirement,
        name: &'static str,
        about: &'static str,
        kind: K,
    ) -> Option<K::Value> {
        let schema = kind
            .schema(about, matches!(requirement, Requirement::Nullable | Requirement::Clearable));
        self.object.properties.insert(name.to_owned(), schema);
        if requirement == Requirement::Required {
            self.object.required.push(name.to_owned());
        }
        None
    }

    fn alias<K: FieldKind>(&mut self, _: &'static str, _: K) -> Option<K::Value> {
        None
    }

    fn picture(&mut self, name: &'static str) -> Option<NewAvatar> {
        let schema = match self.is_form {
            true => file("The picture, as a file. An empty text removes it."),
            false => ObjectBuilder::new()
                .schema_type(Type::Null)
                .description(Some("`null` removes the picture. To upload one, send a form."))
                .build(),
        };
        self.object.properties.insert(name.to_owned(), schema.into());
        None
    }
}

/// The schema of a JSON body whose fields `visit` lists.
pub fn describe<T>(about: &str, visit: impl FnOnce(&mut Shape) -> T) -> RefOr<Schema> {
    shape(about, false, visit)
}

/// The schema of the same body as a form.
pub fn describe_form<T>(about: &str, visit: impl FnOnce(&mut Shape) -> T) -> RefOr<Schema> {
    shape(about, true, visit)
}

fn shape<T>(about: &str, is_form: bool, visit: impl FnOnce(&mut Shape) -> T) -> RefOr<Schema> {
    let object = ObjectBuilder::new().description(Some(about)).build();
    let mut shape = Shape { object, is_form };
    visit(&mut shape);
    Schema::Object(shape.object).into()
}

/// The schema of one of several bodies, which its `type` names.
pub fn describe_variant<T>(
    tag: &str,
    about: &str,
    visit: impl FnOnce(&mut Shape) -> T,
) -> RefOr<Schema> {
    describe(about, |shape| {
        visit(shape);
        shape.object.properties.insert("type".to_owned(), constant(tag).into());
        shape.object.required.push("type".to_owned());
    })
}

/// The schema of a body that is one of several: their tags, and the names of their schemas.
pub fn describe_union(about: &str, variants: &[(&str, &str)]) -> RefOr<Schema> {
    let reference = |name: &str| Ref::from_schema_name(name);
    let mapping = variants.iter().map(|(tag, name)| (*tag, reference(name).ref_location));
    let union = OneOfBuilder::new()
        .description(Some(about))
        .discriminator(Some(Discriminator::with_mapping("type", mapping)));
    let union = variants.iter().fold(union, |union, (_, name)| union.item(reference(name)));
    Schema::OneOf(union.build()).into()
}

/// A text that is always the same. (utoipa does not know the keyword `const`.)
fn constant(text: &str) -> ObjectBuilder {
    let constant = Extensions::from_iter([("const", text)]);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("Which of the bodies this is."))
        .extensions(Some(constant))
}

/// The content of a file.
pub(super) fn file(about: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .description(Some(about))
        .build()
}
