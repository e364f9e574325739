//! The OpenAPI document, made of the handlers' own descriptions.

use axum::http::StatusCode;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{Modify, OpenApi as _};

use super::examples;

/// The document of all calls: those without credentials, and those with. Messages have at most
/// `message_length` characters.
pub(super) fn document(open: OpenApi, private: OpenApi, message_length: usize) -> OpenApi {
    let mut document = Base::openapi();
    document.merge(open);
    document.merge(private);
    for (name, schema) in document.components.iter_mut().flat_map(|all| all.schemas.iter_mut()) {
        let RefOr::T(schema) = schema else { continue };
        if OF_A_MESSAGE.contains(&name.as_str()) {
            limit_content(schema, message_length);
        }
        let examples = match schema {
            Schema::Object(schema) => &mut schema.examples,
            Schema::OneOf(schema) => &mut schema.examples,
            Schema::AllOf(schema) => &mut schema.examples,
            _ => continue,
        };
        examples.extend(examples::of(name));
    }
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        if operation.request_body.is_some() {
            tell_of_bodies(operation);
        }
        tell_of_failures(operation);
        describe_answers(operation);
    }
    for patch in document.paths.paths.values_mut().filter_map(|item| item.patch.as_mut()) {
        // Without a body nothing is to be changed.
        if let Some(RefOr::T(body)) = &mut patch.request_body {
            body.required = Some(Required::False);
        }
    }
    document
}

/// The bodies with a message's content.
const OF_A_MESSAGE: [&str; 3] = ["SendMessage", "EditMessage", "PatchMessage"];

/// What 400, 413 and 415 say of a body that is JSON.
const OF_JSON: [&str; 3] = [
    "Fields that are wrong, or a body that is no JSON",
    "Larger than 128 KiB",
    "No JSON by its type",
];
/// The same of one that may be a form with a file.
const OF_A_FORM: [&str; 3] = [
    "Fields that are wrong, or a body that is neither JSON nor a form",
    "Fields larger than 128 KiB, or a file larger than 5 MiB (`AVATAR_MAX_BYTES`)",
    "Neither JSON nor a form by its type",
];

fn limit_content(body: &mut Schema, length: usize) {
    if let Schema::Object(body) = body
        && let Some(RefOr::T(Schema::Object(content))) = body.properties.get_mut("content")
    {
        content.max_length = Some(length);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    [get, post, put, patch, delete].into_iter().flatten()
}

/// What every call with a body can be answered for the body's sake (see `bodies::Body`, `forms::FormBody`): said
/// once, here, so that no handler forgets it.
fn tell_of_bodies(operation: &mut Operation) {
    const JSON: &str = "application/json";
    let form = matches!(&operation.request_body, Some(RefOr::T(body))
        if body.content.contains_key("multipart/form-data"));
    let [unreadable, large, foreign] = if form { OF_A_FORM } else { OF_JSON };
    let (detail, fields) = (Ref::from_schema_name("Detail"), Ref::from_schema_name("FieldTexts"));
    let wrong = OneOfBuilder::new().item(fields).item(detail.clone()).build();
    let answer = |text: &str, content: ContentBuilder| {
        ResponseBuilder::new().description(text).content(JSON, content.build()).build()
    };
    let simple = || ContentBuilder::new().schema(Some(detail.clone()));
    let either = ContentBuilder::new().schema(Some(Schema::OneOf(wrong)));
    let responses = &mut operation.responses.responses;
    for (status, response) in [
        ("400", answer(unreadable, either)),
        ("413", answer(large, simple())),
        ("415", answer(foreign, simple())),
    ] {
        responses.insert(status.to_owned(), response.into());
    }
}

/// What every call can be answered, whatever it is.
fn tell_of_failures(operation: &mut Operation) {
    for (status, text) in [
        ("429", "Too often; `Retry-After` says for how many seconds to wait"),
        ("500", "The server's fault; `request_id` is in its log, too"),
        ("503", "The database is away; `Retry-After` says for how many seconds to wait"),
    ] {
        let detail = ContentBuilder::new().schema(Some(Ref::from_schema_name("Detail"))).build();
        let answer =
            ResponseBuilder::new().description(text).content("application/json", detail).build();
        operation.responses.responses.insert(status.to_owned(), answer.into());
    }
}

/// OpenAPI asks for a description of every answer; where a handler gives none, its status says it.
/// What has one text alone shows that of its status.
fn describe_answers(operation: &mut Operation) {
    let detail = Ref::from_schema_name("Detail").into();
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let reason = status.parse::<StatusCode>().ok().and_then(|status| status.canonical_reason());
        if response.description.is_empty() {
            response.description = reason.unwrap_or_default().to_owned();
        }
        for content in response.content.values_mut() {
            if let RefOr::T(content) = content
                && content.schema.as_ref() == Some(&detail)
            {
                content.example = examples::of_status(status);
            }
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
        (name = "schema", description = "What describes the API"),
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
