//! Users as the API shows them, and the bodies that change them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain;
use crate::domain::error::FieldErrors;
use crate::domain::ids::UserId;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;
use crate::domain::user::{
    self, Availability, Email, NAME_MAX, Profile, Status, UserChange, Username,
};

use super::fields::Fields;
use super::pages::PageJson;
use super::presence::{schema, status_text};

/// A person, as others see them.
#[derive(Serialize, ToSchema)]
pub struct User<'a> {
    #[schema(value_type = i64, minimum = 1, example = 7)]
    id: UserId,
    /// Unique without regard to case.
    #[schema(min_length = 1, max_length = 150, example = "whiskers")]
    username: &'a str,
    #[schema(max_length = 150)]
    first_name: &'a str,
    #[schema(max_length = 150)]
    last_name: &'a str,
    /// The picture's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
    #[schema(value_type = schema::Status)]
    status: Status,
    /// A line of the user's own.
    #[schema(max_length = 140)]
    status_text: &'a str,
    /// When the user was last connected.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    date_joined: Timestamp,
}

/// Oneself: what only the owner of the account sees is added.
#[derive(Serialize, ToSchema)]
pub struct OwnUser<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    user: User<'a>,
    /// Empty where none was given.
    #[schema(max_length = 254)]
    email: &'a str,
    is_staff: bool,
    is_superuser: bool,
    /// What the user chose to be seen as.
    #[schema(value_type = schema::Availability)]
    availability: Availability,
}

/// A person inside of another object.
#[derive(Serialize, ToSchema)]
pub struct UserRef<'a> {
    #[schema(value_type = i64, minimum = 1, example = 7)]
    id: UserId,
    #[schema(min_length = 1, max_length = 150, example = "whiskers")]
    username: &'a str,
    #[schema(max_length = 150)]
    first_name: &'a str,
    #[schema(max_length = 150)]
    last_name: &'a str,
    /// The picture's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
}

/// A page of users.
pub type UserPage<'a> = PageJson<User<'a>>;

impl<'a> User<'a> {
    /// As others see them.
    pub fn of(profile: &'a Profile, urls: &Urls) -> Self {
        let user = &profile.user;
        Self {
            id: user.id,
            username: &user.username,
            first_name: &user.first_name,
            last_name: &user.last_name,
            avatar: avatar(user.avatar.as_deref(), urls),
            status: profile.status,
            status_text: &user.status_text,
            last_seen: user.last_seen,
            date_joined: user.date_joined,
        }
    }
}

impl<'a> OwnUser<'a> {
    /// As the owner of the account sees it.
    pub fn of(profile: &'a Profile, urls: &Urls) -> Self {
        let user = &profile.user;
        Self {
            user: User::of(profile, urls),
            email: &user.email,
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            availability: user.availability,
        }
    }
}

impl<'a> UserRef<'a> {
    /// As everybody sees them.
    pub fn of(user: &'a domain::user::UserRef, urls: &Urls) -> Self {
        Self {
            id: user.id,
            username: &user.username,
            first_name: &user.first_name,
            last_name: &user.last_name,
            avatar: avatar(user.avatar.as_deref(), urls),
        }
    }
}

pub(super) fn avatar(path: Option<&str>, urls: &Urls) -> Option<String> {
    path.map(|path| urls.media(path))
}

/// Changes an account. From anyone but staff, `is_active` is ignored; from anyone but a superuser,
/// `is_staff`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct UpdateUser {
    /// Required by PUT.
    #[schema(min_length = 1, max_length = 150, pattern = r"^[\w.@+-]+$", example = "whiskers")]
    username: String,
    /// Empty: none.
    #[schema(max_length = 254, nullable = false)]
    email: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    first_name: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    last_name: Option<String>,
    #[schema(max_length = 140, nullable = false)]
    status_text: Option<String>,
    /// What to be seen as; `status` is another name for it.
    #[schema(value_type = Option<schema::Availability>, nullable = false)]
    availability: Option<String>,
    /// A file, in a form; or `null`, and of a form an empty part, which takes the picture away.
    #[schema(format = Binary)]
    avatar: Option<String>,
    /// A boolean, from staff; from others anything, since it is not looked at.
    #[schema(value_type = Value, required = false)]
    is_active: Option<bool>,
    /// A boolean, from a superuser; from others anything, since it is not looked at.
    #[schema(value_type = Value, required = false)]
    is_staff: Option<bool>,
}

/// Changes an account: what is left out stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct PatchUser {
    #[schema(min_length = 1, max_length = 150, pattern = r"^[\w.@+-]+$", nullable = false)]
    username: Option<String>,
    /// Empty: none.
    #[schema(max_length = 254, nullable = false)]
    email: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    first_name: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    last_name: Option<String>,
    #[schema(max_length = 140, nullable = false)]
    status_text: Option<String>,
    /// What to be seen as; `status` is another name for it.
    #[schema(value_type = Option<schema::Availability>, nullable = false)]
    availability: Option<String>,
    /// A file, in a form; or `null`, and of a form an empty part, which takes the picture away.
    #[schema(format = Binary)]
    avatar: Option<String>,
    /// A boolean, from staff; from others anything, since it is not looked at.
    #[schema(value_type = Value, required = false)]
    is_active: Option<bool>,
    /// A boolean, from a superuser; from others anything, since it is not looked at.
    #[schema(value_type = Value, required = false)]
    is_staff: Option<bool>,
}

impl UpdateUser {
    /// Reads the body; `partial` where the username too may be left out. What `by` may not say is
    /// not looked at. With what can be read comes all that is wrong: whether a name is free is told
    /// together with it.
    pub fn parse(mut body: Fields, partial: bool, by: &user::User) -> (UserChange, FieldErrors) {
        if !partial && !body.has("username") {
            body.require("username");
        }
        let choice = |name: String| {
            Availability::try_from(name.clone())
                .map_err(|_| format!("\"{name}\" is not a valid choice."))
        };
        let alias = body.optional("status", choice);
        let change = UserChange {
            username: body.optional("username", |text| Username::parse(text.trim())),
            email: body.optional("email", |text| optional_email(&text)),
            first_name: body.optional("first_name", |text| name(&text)),
            last_name: body.optional("last_name", |text| name(&text)),
            status_text: body.optional("status_text", status_text),
            availability: body.optional("availability", choice).or(alias),
            avatar: body.picture("avatar"),
            is_active: if by.is_staff { body.boolean("is_active") } else { None },
            is_staff: if by.is_superuser { body.boolean("is_staff") } else { None },
        };
        (change, body.into_errors())
    }
}

/// An address, or none.
pub(super) fn optional_email(value: &str) -> Result<Option<Email>, String> {
    match value.trim() {
        "" => Ok(None),
        address => Email::parse(address).map(Some),
    }
}

/// First and last names: trimmed, may be empty.
pub(super) fn name(value: &str) -> Result<String, String> {
    let value = value.trim();
    text::check(value, NAME_MAX)?;
    Ok(value.to_owned())
}
