//! The OpenAPI document. Handlers describe what is their own; what many calls have in common is added
//! here once: the PATCH beside a PUT, examples and limits of numbers. The answers that many calls share are
//! in `answers`.

use serde_json::Value;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, RefOr, Required, Schema};
use utoipa::{Modify, OpenApi as _};

use crate::wire::errors::RefusedBody;
use crate::wire::schemas::limit_integers;

use super::{answers, examples};

/// The document of all calls: those without credentials, and those with. Messages have at most
/// `message_length` characters.
pub(super) fn document(open: OpenApi, mut private: OpenApi, message_length: usize) -> OpenApi {
    operations(&mut private).for_each(answers::describe_credentials);
    let mut document = Base::openapi();
    document.merge(open);
    document.merge(private);
    document.paths.paths.values_mut().for_each(describe_patch);
    describe_patch_bodies(&mut document);
    limit_numbers(&mut document, message_length);
    operations(&mut document).for_each(|operation| {
        answers::describe(operation);
        show_examples(operation);
    });
    let components = document.components.get_or_insert_default();
    components.headers.extend(answers::headers());
    document
}

/// All operations of a document.
fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        let PathItem { get, post, put, patch, delete, .. } = item;
        [get, post, put, patch, delete].into_iter().flatten()
    })
}

/// One handler serves PUT and PATCH. A PATCH has an operation id and a schema of its own, in which no
/// field is required, nor is the body.
fn describe_patch(item: &mut PathItem) {
    let (Some(_), Some(patch)) = (&item.put, &mut item.patch) else { return };
    if let Some(id) = &mut patch.operation_id {
        *id = id.split_once('_').map_or_else(|| id.clone(), |(_, noun)| format!("patch_{noun}"));
    }
    let about = patch.description.take().map_or_else(String::new, |about| about + "\n\n");
    patch.description = Some(about + "Fields that are left out do not change.");
    let Some(RefOr::T(body)) = &mut patch.request_body else { return };
    body.required = Some(Required::False);
    for content in body.content.values_mut() {
        if let RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) = content
            && let Some((path, name)) = schema.ref_location.rsplit_once('/')
        {
            schema.ref_location = format!("{path}/{}", patch_name(name));
        }
    }
}

/// The bodies of PUT for which there is a PATCH.
const CHANGES: [&str; 7] = [
    "UpdateUser",
    "UpdateUserForm",
    "UpdateChat",
    "UpdateChatForm",
    "UpdateChatSettings",
    "ChangeRole",
    "EditMessage",
];

/// Adds the schemas of PATCH to those of PUT.
fn describe_patch_bodies(document: &mut OpenApi) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    for name in CHANGES {
        let mut schema = schemas.get(name).cloned();
        if let Some(RefOr::T(Schema::Object(schema))) = &mut schema {
            schema.required.clear();
        }
        schemas.extend(schema.map(|schema| (patch_name(name), schema)));
    }
}

/// `PatchUserForm` for `UpdateUserForm`.
fn patch_name(name: &str) -> String {
    let noun = name.char_indices().skip(1).find(|(_, c)| c.is_uppercase());
    format!("Patch{}", noun.and_then(|(at, _)| name.get(at..)).unwrap_or(name))
}

/// The bodies with a message's content, whose length is a setting.
const OF_A_MESSAGE: [&str; 3] = ["SendMessage", "EditMessage", "PatchMessage"];

fn limit_numbers(document: &mut OpenApi, message_length: usize) {
    for (name, schema) in &mut document.components.get_or_insert_default().schemas {
        limit_integers(schema);
        if OF_A_MESSAGE.contains(&name.as_str())
            && let RefOr::T(Schema::Object(body)) = schema
            && let Some(RefOr::T(Schema::Object(content))) = body.properties.get_mut("content")
        {
            content.max_length = Some(message_length);
        }
    }
    for parameter in operations(document).filter_map(|all| all.parameters.as_mut()).flatten() {
        if let RefOr::T(Parameter { schema: Some(schema), .. }) = parameter {
            limit_integers(schema);
        }
    }
}

/// Adds an example to every body that has none.
fn show_examples(operation: &mut Operation) {
    let mut asked = String::new();
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in body.content.values_mut() {
            show_example(content, |name| {
                name.clone_into(&mut asked);
                examples::of(name)
            });
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        for content in response.content.values_mut() {
            show_example(content, |name| match name {
                "ErrorDetail" => examples::of_status(status),
                "BadRequest" => Some(examples::of_refused(&asked)),
                _ => examples::of(name),
            });
        }
    }
}

fn show_example(content: &mut RefOr<Content>, of: impl FnOnce(&str) -> Option<Value>) {
    if let RefOr::T(content) = content
        && let Some(RefOr::Ref(schema)) = &content.schema
        && content.example.is_none()
    {
        content.example = of(schema.ref_location.rsplit('/').next().unwrap_or_default());
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Meowsenger",
        description = "A messenger with private chats and groups. Every path works with and without \
                       a trailing slash, `HEAD` wherever `GET` does, and `OPTIONS` lists a path's \
                       methods. Times are RFC 3339 in UTC. Lists are paged by cursor. The WebSocket \
                       has a document of its own, `/api/schema/socket/`.",
        contact(name = "Meowsenger"),
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The server that this document comes from")),
    tags(
        (name = "auth", description = "Accounts, sessions and tickets"),
        (name = "users", description = "Users and their profiles"),
        (name = "blocks", description = "Users that you block"),
        (name = "chats", description = "Private chats and groups"),
        (name = "members", description = "Members of chats, and their roles"),
        (name = "attachments", description = "Files that are sent with messages"),
        (name = "invites", description = "Links by which users join a group"),
        (name = "messages", description = "Messages, read markers and receipts"),
        (name = "reports", description = "Reports to the staff"),
        (name = "sync", description = "Catching up on what changed"),
        (name = "socket", description = "The WebSocket"),
        (name = "media", description = "Pictures"),
        (name = "schema", description = "Documents and pages that describe the API"),
        (name = "health", description = "Checks for supervisors and load balancers"),
    ),
    components(schemas(RefusedBody)),
    modifiers(&Credentials),
    security(("bearer" = [])),
)]
struct Base;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token, from register, login or refresh."))
            .build();
        let about = "From `POST /api/auth/ws-ticket/`, for clients that cannot set headers.";
        let ticket = ApiKey::Query(ApiKeyValue::with_description("ticket", about));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("ticket", SecurityScheme::ApiKey(ticket));
    }
}
