//! Users, their presence, and changes of a profile.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::rfc3339;

use crate::ids::{UserId, Version};

/// A user, as others see them; your own account with its private fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// The user id.
    pub id: UserId,
    /// Unique, ignoring case.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The avatar's URL.
    pub avatar: Option<String>,
    /// The presence that others see.
    pub status: Status,
    /// The user's own status text; may be empty.
    pub status_text: String,
    /// When the user was last connected, if others may see it.
    #[serde(with = "rfc3339::option")]
    pub last_seen: Option<OffsetDateTime>,
    /// When the account was created.
    #[serde(with = "rfc3339")]
    pub date_joined: OffsetDateTime,
    /// The email address; may be empty. Only in your own account.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether the user is staff. Only in your own account.
    #[serde(default)]
    pub is_staff: Option<bool>,
    /// Whether the user is a superuser. Only in your own account.
    #[serde(default)]
    pub is_superuser: Option<bool>,
    /// The chosen availability. Only in your own account.
    #[serde(default)]
    pub availability: Option<Availability>,
}

/// A user inside another object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserRef {
    /// The user id.
    pub id: UserId,
    /// `deleted_` and the id for an anonymised account.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The avatar's URL.
    pub avatar: Option<String>,
}

/// A user's presence, as others see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Presence {
    /// The user id.
    pub user: UserId,
    /// The status that others see.
    pub status: Status,
    /// The user's own status text; may be empty.
    pub status_text: String,
    /// When the user was last connected, if others may see it.
    #[serde(with = "rfc3339::option")]
    pub last_seen: Option<OffsetDateTime>,
    /// The account's version, if you changed your own status on another device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Version>,
}

/// The presence of a user, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// Connected.
    Online,
    /// Connected but inactive.
    Away,
    /// Connected; does not want to be disturbed.
    Busy,
    /// Not connected, or invisible.
    Offline,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// The availability that a user has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Availability {
    /// Shown as online while connected.
    Online,
    /// Shown as away while connected.
    Away,
    /// Shown as busy while connected.
    Busy,
    /// Always shown as offline.
    Invisible,
    /// A value that this client does not know.
    #[serde(other)]
    Other,
}

/// Changes of a profile. What is not set stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProfileUpdate {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    availability: Option<Availability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_active: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_staff: Option<bool>,
}

impl ProfileUpdate {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another username.
    pub fn username(self, username: impl Into<String>) -> Self {
        Self { username: Some(username.into()), ..self }
    }

    /// Another email address; empty for none.
    pub fn email(self, email: impl Into<String>) -> Self {
        Self { email: Some(email.into()), ..self }
    }

    /// Another first name, up to 150 characters.
    pub fn first_name(self, name: impl Into<String>) -> Self {
        Self { first_name: Some(name.into()), ..self }
    }

    /// Another last name, up to 150 characters.
    pub fn last_name(self, name: impl Into<String>) -> Self {
        Self { last_name: Some(name.into()), ..self }
    }

    /// Another status text, up to 140 characters.
    pub fn status_text(self, text: impl Into<String>) -> Self {
        Self { status_text: Some(text.into()), ..self }
    }

    /// Another availability.
    pub fn availability(self, availability: Availability) -> Self {
        Self { availability: Some(availability), ..self }
    }

    /// Whether the account is active. Ignored unless you are staff.
    pub fn active(self, is_active: bool) -> Self {
        Self { is_active: Some(is_active), ..self }
    }

    /// Whether the user is staff. Ignored unless you are a superuser.
    pub fn staff(self, is_staff: bool) -> Self {
        Self { is_staff: Some(is_staff), ..self }
    }
}
