//! Users as the API shows them, and the bodies that change them.

use std::collections::BTreeSet;

use serde::Serialize;
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain;
use crate::domain::error::{Error, Result};
use crate::domain::ids::{MAX_ID, UserId};
use crate::domain::input::Input;
use crate::domain::presence::{Availability, Status};
use crate::domain::time::Timestamp;
use crate::domain::urls::Urls;
use crate::domain::user::{Profile, UserChange};

use super::fields::Fields;
use super::kinds::{FieldKind, Integer, Reserved, choice};
use super::pages::PageJson;
use super::presence::{AvailabilitySchema, StatusSchema, status_text};
use super::texts::{USERNAME, email, name, username};
use super::visitor::{Visitor, describe, describe_form};

/// A user. Your own account, where it is not in a list or inside another object, also has the private fields
/// `email`, `is_staff`, `is_superuser` and `availability`.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserJson<'a> {
    /// The user's id.
    #[schema(value_type = i64, minimum = 1, example = 7)]
    id: UserId,
    /// Unique, ignoring case.
    #[schema(min_length = 1, max_length = 150, example = "whiskers")]
    username: &'a str,
    /// May be empty.
    #[schema(max_length = 150)]
    first_name: &'a str,
    /// May be empty.
    #[schema(max_length = 150)]
    last_name: &'a str,
    /// The avatar's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
    #[schema(value_type = StatusSchema)]
    status: Status,
    /// The user's status text.
    #[schema(max_length = 140)]
    status_text: &'a str,
    /// When the user was last connected. It does not change while they are invisible.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
    /// When the account was registered.
    #[schema(value_type = String, format = DateTime)]
    date_joined: Timestamp,
    /// Private. Empty if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 254)]
    email: Option<&'a str>,
    /// Private. Whether you may moderate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    is_staff: Option<bool>,
    /// Private. Whether you may make others staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    is_superuser: Option<bool>,
    /// Private. The availability that you chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<AvailabilitySchema>)]
    availability: Option<Availability>,
}

/// A user inside another object.
#[derive(Serialize, ToSchema)]
#[schema(as = UserRef)]
pub struct UserRefJson<'a> {
    /// The user's id.
    #[schema(value_type = i64, minimum = 1, example = 7)]
    id: UserId,
    /// Unique, ignoring case.
    #[schema(min_length = 1, max_length = 150, example = "whiskers")]
    username: &'a str,
    /// May be empty.
    #[schema(max_length = 150)]
    first_name: &'a str,
    /// May be empty.
    #[schema(max_length = 150)]
    last_name: &'a str,
    /// The avatar's absolute URL.
    #[schema(required)]
    avatar: Option<String>,
}

/// A page of users, in short.
pub type UserRefPage<'a> = PageJson<UserRefJson<'a>>;

/// A page of users.
pub type UserPage<'a> = PageJson<UserJson<'a>>;

impl<'a> UserJson<'a> {
    /// As others see the user.
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
            email: None,
            is_staff: None,
            is_superuser: None,
            availability: None,
        }
    }

    /// As those see the user that the user blocks.
    pub fn hidden(profile: &'a Profile, urls: &Urls) -> Self {
        Self { status: Status::Offline, last_seen: None, ..Self::of(profile, urls) }
    }

    /// As the owner of the account sees it.
    pub fn own(profile: &'a Profile, urls: &Urls) -> Self {
        let user = &profile.user;
        Self {
            email: Some(&user.email),
            is_staff: Some(user.is_staff),
            is_superuser: Some(user.is_superuser),
            availability: Some(user.availability),
            ..Self::of(profile, urls)
        }
    }
}

impl<'a> UserRefJson<'a> {
    /// As everybody sees the user.
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

/// Ids of users in a query, separated by commas.
#[derive(Debug)]
pub struct UserIds(pub Vec<UserId>);

impl UserIds {
    const MAX: usize = 100;
    const EACH: Integer = Integer { min: 1, max: MAX_ID };

    /// Reads at most 100 different ids. What is no id at all is an error; ids of nobody are not.
    pub fn parse(list: &str) -> Result<Self> {
        let fault = |text: String| Err(Error::field("ids", text));
        if list.trim().is_empty() {
            return fault("This list may not be empty.".to_owned());
        }
        let id = |text: &str| {
            let number = Integer::of_form(vec![text.into()]).unwrap_or_default();
            Self::EACH.parse(number).map(UserId)
        };
        match list.split(',').map(id).collect::<Result<BTreeSet<_>, _>>() {
            Err(text) => fault(text),
            Ok(ids) if ids.len() > Self::MAX => {
                fault(format!("Ensure this field has no more than {} elements.", Self::MAX))
            }
            Ok(ids) => Ok(Self(ids.into_iter().collect())),
        }
    }
}

impl PartialSchema for UserIds {
    fn schema() -> RefOr<Schema> {
        let items = Self::EACH.schema("", false);
        ArrayBuilder::new().items(items).min_items(Some(1)).max_items(Some(Self::MAX)).into()
    }
}

impl ToSchema for UserIds {}

/// Changes an account.
#[derive(Debug)]
pub struct UpdateUser(UserChange);

impl PartialSchema for UpdateUser {
    fn schema() -> RefOr<Schema> {
        describe("Changes an account.", Self::visit)
    }
}

impl ToSchema for UpdateUser {}

/// [`UpdateUser`] as a form.
#[derive(Debug)]
pub struct UpdateUserForm;

impl PartialSchema for UpdateUserForm {
    fn schema() -> RefOr<Schema> {
        describe_form("Changes an account.", UpdateUser::visit)
    }
}

impl ToSchema for UpdateUserForm {}

impl UpdateUser {
    fn visit(body: &mut impl Visitor) -> Self {
        let availability = || choice::<Availability>("Availability");
        let alias = body.alias("status", availability());
        Self(UserChange {
            username: body.required("username", USERNAME, username().example("whiskers")),
            email: body.optional("email", "May be empty.", email()),
            first_name: body.optional("first_name", "May be empty.", name()),
            last_name: body.optional("last_name", "May be empty.", name()),
            status_text: body.optional("status_text", "May be empty.", status_text()),
            availability: body
                .optional("availability", "`status` is another name for it.", availability())
                .or(alias),
            avatar: body.picture("avatar"),
            is_active: body.optional(
                "is_active",
                "Whether the user can log in. Ignored unless you are staff.",
                Reserved,
            ),
            is_staff: body.optional(
                "is_staff",
                "Whether the user is staff. Ignored unless you are a superuser.",
                Reserved,
            ),
        })
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Input<UserChange> {
        let Self(value) = Self::visit(&mut body);
        Input { value, errors: body.into_errors() }
    }
}
