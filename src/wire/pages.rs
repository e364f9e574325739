//! The envelope of every list.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A page of a list, and the URLs of its neighbours.
#[derive(Serialize)]
pub struct PageJson<T> {
    /// The next page's URL.
    pub next: Option<String>,
    /// The previous page's URL.
    pub previous: Option<String>,
    /// The rows, in the list's order.
    pub results: Vec<T>,
}

impl<T: ToSchema> ToSchema for PageJson<T> {
    /// `UserPage` for a page of `User`: derived, it would be `Page_User`.
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T: ToSchema> PartialSchema for PageJson<T> {
    fn schema() -> RefOr<Schema> {
        let url = |about: &'static str| {
            ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                .description(Some(about))
        };
        let rows = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .description(Some("The entries, in the list's order."));
        ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("next", url("The next page's URL."))
            .required("next")
            .property("previous", url("The previous page's URL."))
            .required("previous")
            .property("results", rows)
            .required("results")
            .into()
    }
}
