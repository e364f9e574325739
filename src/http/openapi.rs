//! The OpenAPI document, made of the handlers' own descriptions.

use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

/// The document of every call that there is.
pub fn document() -> OpenApi {
    let (_, open) = super::open_routes().split_for_parts();
    let (_, private) = super::private_routes().split_for_parts();
    let mut document = Base::openapi();
    document.merge(open);
    document.merge(private);
    document
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
        (name = "messages", description = "What is said in them"),
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
