//! The OpenAPI document. Handlers describe what is their own; what many calls have in common, such as
//! 401, 429 and 503, or the PATCH beside a PUT, is added here once.

use axum::http::StatusCode;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    self, ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Schema,
};
use utoipa::{Modify, OpenApi as _};

use super::examples;

/// The document of all calls: those without credentials, and those with. Messages have at most
/// `message_length` characters.
pub(super) fn document(open: OpenApi, mut private: OpenApi, message_length: usize) -> OpenApi {
    for operation in private.paths.paths.values_mut().flat_map(operations) {
        let about = "The access token is missing or not valid";
        operation.responses.responses.insert("401".to_owned(), detail(about).into());
    }
    let mut document = Base::openapi();
    document.merge(open);
    document.merge(private);
    document.paths.paths.values_mut().for_each(describe_patch);
    describe_patch_bodies(&mut document);
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
            describe_bodies(operation);
        }
        describe_failures(operation);
        describe_answers(operation);
    }
    document
}

/// The bodies with a message's content, whose length is a setting.
const OF_A_MESSAGE: [&str; 3] = ["SendMessage", "EditMessage", "PatchMessage"];

/// The descriptions of 400, 413 and 415 for a JSON body.
const OF_JSON: [&str; 3] = [
    "Fields are wrong, or the body is not JSON",
    "The body is larger than 128 KiB",
    "The `Content-Type` is not JSON",
];
/// The same for a body that can be a form with a file.
const OF_A_FORM: [&str; 3] = [
    "Fields are wrong, or the body is neither JSON nor a form",
    "The fields are larger than 128 KiB, or the file is larger than 5 MiB (`AVATAR_MAX_BYTES`)",
    "The `Content-Type` is neither JSON nor a form",
];

/// The same for a body that is a picture.
const OF_A_PICTURE: [&str; 3] = [
    "There is no picture, or it is not one",
    "The file is larger than 5 MiB (`AVATAR_MAX_BYTES`)",
    "The `Content-Type` is neither a form nor an image",
];

fn limit_content(body: &mut Schema, length: usize) {
    if let Schema::Object(body) = body
        && let Some(RefOr::T(Schema::Object(content))) = body.properties.get_mut("content")
    {
        content.max_length = Some(length);
    }
}

/// One handler serves PUT and PATCH. A PATCH has an operation id and a schema of its own, in which no
/// field is required, nor is the body.
fn describe_patch(item: &mut PathItem) {
    let (Some(_), Some(patch)) = (&item.put, &mut item.patch) else { return };
    if let Some(id) = &mut patch.operation_id {
        *id = id.rsplit_once('_').map_or(&**id, |(noun, _)| noun).to_owned() + "_patch";
    }
    let about = patch.description.take().map_or_else(String::new, |about| about + "\n\n");
    patch.description = Some(about + "Fields that are left out do not change.");
    let Some(RefOr::T(body)) = &mut patch.request_body else { return };
    body.required = Some(Required::False);
    for content in body.content.values_mut() {
        if let RefOr::T(content) = content
            && let Some(RefOr::Ref(schema)) = &mut content.schema
            && let Some((path, name)) = schema.ref_location.rsplit_once('/')
        {
            schema.ref_location = format!("{path}/{}", patch_name(name));
        }
    }
}

/// Adds the schemas of PATCH to those of PUT.
fn describe_patch_bodies(document: &mut OpenApi) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    for name in ["UpdateUser", "UpdateChat", "ChangeRole", "EditMessage"] {
        let mut schema = schemas.get(name).cloned();
        if let Some(RefOr::T(Schema::Object(schema))) = &mut schema {
            schema.required.clear();
        }
        schemas.extend(schema.map(|schema| (patch_name(name), schema)));
    }
}

/// `PatchUser` for `UpdateUser`.
fn patch_name(name: &str) -> String {
    let noun = name.rfind(char::is_uppercase).and_then(|at| name.get(at..));
    format!("Patch{}", noun.unwrap_or(name))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    [get, post, put, patch, delete].into_iter().flatten()
}

/// Adds the answers of every call with a body (see `bodies::Body`, `forms::FormBody`,
/// `picture_body::PictureBody`), so that no
/// handler repeats them.
fn describe_bodies(operation: &mut Operation) {
    let takes = |kind| matches!(&operation.request_body, Some(RefOr::T(body)) if body.content.contains_key(kind));
    let [unreadable, large, foreign] = match takes("multipart/form-data") {
        true if takes("application/json") => OF_A_FORM,
        true => OF_A_PICTURE,
        false => OF_JSON,
    };
    let either = ["FieldTexts", "Detail"].map(Ref::from_schema_name);
    let either = either.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item);
    let responses = &mut operation.responses.responses;
    responses.insert("400".to_owned(), answer(unreadable, Schema::OneOf(either.build())).into());
    responses.insert("413".to_owned(), detail(large).into());
    responses.insert("415".to_owned(), detail(foreign).into());
}

/// Adds the answers that every call can get.
fn describe_failures(operation: &mut Operation) {
    for (status, text) in [
        ("429", "Over a rate limit. `Retry-After` says for how many seconds to wait."),
        ("500", "An error of the server. `request_id` is in its log as well."),
        (
            "503",
            "The server is overloaded, or its database is unavailable. `Retry-After` says for how \
             many seconds to wait.",
        ),
    ] {
        operation.responses.responses.insert(status.to_owned(), detail(text).into());
    }
}

fn detail(text: &str) -> openapi::Response {
    answer(text, Ref::from_schema_name("Detail"))
}

fn answer(text: &str, schema: impl Into<RefOr<Schema>>) -> openapi::Response {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(text).content("application/json", content).build()
}

/// OpenAPI requires a description of every answer; the default is the status's own. Errors with a
/// single text show the text of their status as an example.
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
        description = "A messenger with private chats and groups. Every path works with and without \
                       a trailing slash. Times are RFC 3339 in UTC. Lists are paged by cursor.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "auth", description = "Accounts, sessions and tickets"),
        (name = "users", description = "Users and their profiles"),
        (name = "chats", description = "Private chats and groups"),
        (name = "members", description = "Members of chats, and their roles"),
        (name = "messages", description = "Messages, read markers and receipts"),
        (name = "sync", description = "Catching up on what changed"),
        (name = "schema", description = "Documents that describe the API"),
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
