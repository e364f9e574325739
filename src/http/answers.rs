//! The answers and headers that many calls have, for the OpenAPI document, so that no handler repeats them.

use axum::http::StatusCode;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder, Schema};

/// The tag of the calls that have neither rate limits nor other ways to fail than their own.
const HEALTH: &str = "health";

/// The tag of the calls with files of any type.
const ATTACHMENTS: &str = "attachments";

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
/// The same for a body that is a file.
const OF_A_FILE: [&str; 3] = [
    "There is no file, or it is empty",
    "The file is larger than 25 MiB (`ATTACHMENT_MAX_BYTES`)",
    "The `Content-Type` is not a form",
];
/// The same for a body that is a picture.
const OF_A_PICTURE: [&str; 3] = [
    "There is no picture, or it is not one",
    "The file is larger than 5 MiB (`AVATAR_MAX_BYTES`)",
    "The `Content-Type` is neither a form nor an image",
];

/// The headers by their names among the document's components, and by their own.
const REQUEST_ID: (&str, &str) = ("RequestId", "X-Request-ID");
const RETRY_AFTER: (&str, &str) = ("RetryAfter", "Retry-After");
const CHALLENGE: (&str, &str) = ("Challenge", "WWW-Authenticate");

/// The headers that answers refer to.
pub(super) fn headers() -> [(String, RefOr<Header>); 3] {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let header = |(name, _): (&str, _), about: &str, schema: ObjectBuilder| {
        let header = HeaderBuilder::new().description(Some(about)).schema(Some(schema)).build();
        (name.to_owned(), RefOr::T(header))
    };
    [
        header(
            REQUEST_ID,
            "The request's id, which the server's log contains: the one that the client sent in this header, if \
             it is 1–64 of `A-Za-z0-9._-`, or else a new one.",
            text().pattern(Some("^[A-Za-z0-9._\\-]{1,64}$")),
        ),
        header(
            RETRY_AFTER,
            "For how many seconds to wait.",
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(86_400)),
        ),
        header(CHALLENGE, "How to authenticate.", text().examples(["Bearer realm=\"api\""])),
    ]
}

/// Adds the answer of every call that needs credentials.
pub(super) fn describe_credentials(operation: &mut Operation) {
    let about = "The access token is missing or not valid";
    operation.responses.responses.insert("401".to_owned(), detail(about).into());
}

/// Adds the answers that every call can get, and completes its own.
pub(super) fn describe(operation: &mut Operation) {
    let is_health = operation.tags.iter().flatten().any(|tag| tag == HEALTH);
    describe_bodies(operation);
    if !is_health {
        describe_failures(operation);
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            complete(status, response);
        }
    }
}

/// Adds the answers of every call with a body (see `bodies::Body`, `forms::FormBody`,
/// `picture_body::PictureBody`).
fn describe_bodies(operation: &mut Operation) {
    let Some(RefOr::T(body)) = &operation.request_body else { return };
    let is_file = operation.tags.iter().flatten().any(|tag| tag == ATTACHMENTS);
    let [unreadable, large, foreign] = match body.content.contains_key("multipart/form-data") {
        true if is_file => OF_A_FILE,
        true if body.content.contains_key("application/json") => OF_A_FORM,
        true => OF_A_PICTURE,
        false => OF_JSON,
    };
    let responses = &mut operation.responses.responses;
    let refused = answer(unreadable, Ref::from_schema_name("BadRequest"));
    responses.insert("400".to_owned(), refused.into());
    responses.insert("413".to_owned(), detail(large).into());
    responses.insert("415".to_owned(), detail(foreign).into());
}

fn describe_failures(operation: &mut Operation) {
    for (status, text) in [
        ("429", "Over a rate limit"),
        ("500", "An error of the server. `request_id` is in its log as well."),
        ("503", "The server is overloaded, or its database is unavailable"),
    ] {
        operation.responses.responses.insert(status.to_owned(), detail(text).into());
    }
}

fn detail(text: &str) -> openapi::Response {
    answer(text, Ref::from_schema_name("ErrorDetail"))
}

fn answer(text: &str, schema: impl Into<RefOr<Schema>>) -> openapi::Response {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(text).content("application/json", content).build()
}

/// Adds the headers of an answer, and a description if it has none: OpenAPI requires one.
fn complete(status: &str, response: &mut openapi::Response) {
    if response.description.is_empty() {
        let status = status.parse::<StatusCode>().ok();
        let reason = status.and_then(|status| status.canonical_reason());
        response.description = reason.unwrap_or_default().to_owned();
    }
    let own: &[_] = match status {
        "401" => &[REQUEST_ID, CHALLENGE],
        "429" | "503" => &[REQUEST_ID, RETRY_AFTER],
        _ => &[REQUEST_ID],
    };
    for (name, header) in own {
        let reference = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert((*header).to_owned(), RefOr::Ref(reference));
    }
}
