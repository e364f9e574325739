//! The OpenAPI document, made of the handlers' own descriptions.

use axum::http::StatusCode;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Schema};
use utoipa::{Modify, OpenApi as _};

/// The document of every call that there is.
pub fn document() -> OpenApi {
    let (_, open) = super::open_routes().split_for_parts();
    let (_, private) = super::private_routes().split_for_parts();
    let mut document = Base::openapi();
    document.merge(open);
    document.merge(private);
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        if operation.request_body.is_some() {
            tell_of_bodies(operation);
        }
        tell_of_throttles(operation);
        describe_answers(operation);
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    [get, post, put, patch, delete].into_iter().flatten()
}

/// What every call with a body can be answered for the body's sake (see `extract::Body`): said
/// once, here, so that no handler forgets it.
fn tell_of_bodies(operation: &mut Operation) {
    const JSON: &str = "application/json";
    let (detail, fields) = (Ref::from_schema_name("Detail"), Ref::from_schema_name("FieldTexts"));
    let wrong = OneOfBuilder::new().item(fields).item(detail.clone()).build();
    let answer = |text: &str, content: ContentBuilder| {
        ResponseBuilder::new().description(text).content(JSON, content.build()).build()
    };
    let simple = || ContentBuilder::new().schema(Some(detail.clone()));
    let either = ContentBuilder::new().schema(Some(Schema::OneOf(wrong)));
    let responses = &mut operation.responses.responses;
    for (status, response) in [
        ("400", answer("Fields that are wrong, or a body that is no JSON", either)),
        ("413", answer("Larger than 128 KiB", simple())),
        ("415", answer("No JSON by its type", simple())),
    ] {
        responses.insert(status.to_owned(), response.into());
    }
}

/// Every call is counted.
fn tell_of_throttles(operation: &mut Operation) {
    let detail = ContentBuilder::new().schema(Some(Ref::from_schema_name("Detail"))).build();
    let throttled = ResponseBuilder::new()
        .description("Too often; `Retry-After` says for how many seconds to wait")
        .content("application/json", detail)
        .build();
    operation.responses.responses.insert("429".to_owned(), throttled.into());
}

/// OpenAPI asks for a description of every answer; where a handler gives none, its status says it.
fn describe_answers(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let reason = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
        if let (RefOr::T(response), Some(reason)) = (response, reason)
            && response.description.is_empty()
        {
            response.description = reason.to_owned();
        }
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Meowsenger",
        description = "Private and group chats. Every path works with and without the slash at \
                       its end. Times are RFC 3339 in UTC. Lists are paged by cursor.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "auth", description = "Accounts, sessions, tickets"),
        (name = "users", description = "People"),
        (name = "chats", description = "Private chats and groups"),
        (name = "members", description = "Who is in them, and as what"),
        (name = "messages", description = "What is said in them"),
        (name = "sync", description = "Catching up"),
    ),
    modifiers(&Bearer),
    security(("bearer" = [])),
)]
struct Base;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token, from register, login or refresh."))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}
