//! Users: accounts as they are stored, requested and shown to others.

use serde::Deserialize;

use super::avatar::NewAvatar;
use super::ids::UserId;
use super::login_names::{ANONYMISED, Email, Username};
use super::numbering::AccountVersion;
use super::presence::{Activity, Availability, Status};
use super::time::Timestamp;

/// Longest `status_text`, in characters.
pub const STATUS_TEXT_MAX: usize = 140;

/// A registration; a username or password that could not be parsed is `None`. Whether its names are
/// available is decided by the database.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The displayed name, and a login name.
    pub username: Option<Username>,
    /// A second login name.
    pub email: Option<Email>,
    /// In plain text; never logged or stored.
    pub password: Option<Password>,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

/// A change of the user's own password; a password that could not be parsed is `None`.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The current password.
    pub old: Option<Password>,
    /// The new one.
    pub new: Option<Password>,
}

/// A change of an account; `None` leaves a field unchanged.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// Its new name.
    pub username: Option<Username>,
    /// May be empty.
    pub first_name: Option<String>,
    /// May be empty.
    pub last_name: Option<String>,
    /// `Some(None)` removes it.
    pub email: Option<Option<Email>>,
    /// May be empty.
    pub status_text: Option<String>,
    /// The availability that the user chose.
    pub availability: Option<Availability>,
    /// The avatar.
    pub avatar: Option<NewAvatar>,
    /// Only staff may set it; from others it is ignored.
    pub is_active: Option<bool>,
    /// Only superusers may set it; from others it is ignored.
    pub is_staff: Option<bool>,
}

/// A password in plain text, hidden from debug output.
#[derive(Clone)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// A user's row, without the password. Never sent as it is: `wire::users` decides who sees what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The displayed name, in NFKC.
    pub username: String,
    /// Empty if there is none, as in Django.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Path of the avatar below the media root.
    pub avatar: Option<String>,
    /// The user's status text, at most 140 characters.
    pub status_text: String,
    /// The availability that the user chose.
    pub availability: Availability,
    /// When the user was last connected.
    pub last_seen: Option<Timestamp>,
    /// When the account was created.
    pub date_joined: Timestamp,
    /// When the account was deleted: it is anonymised, and inactive for ever.
    pub deleted_at: Option<Timestamp>,
    /// False: cannot log in, and all tokens are invalid.
    pub is_active: bool,
    /// May moderate.
    pub is_staff: bool,
    /// May do everything that staff may, and grant staff.
    pub is_superuser: bool,
    /// The account's version.
    pub account_version: AccountVersion,
    /// The one that the last change of the profile or availability made.
    pub profile_version: AccountVersion,
    /// Whether the user has ever blocked anybody, or been blocked.
    pub in_blocks: bool,
}

impl User {
    /// Whether a viewer may know of the user: only staff know of inactive users, and nobody of deleted
    /// ones.
    pub fn is_there_for(&self, viewer: &Self) -> bool {
        self.is_active || (viewer.is_staff && self.deleted_at.is_none())
    }

    /// The status that others see, given the activity of the connected devices, if there are any. One may
    /// still be connected for a moment after the account was deleted.
    pub fn status(&self, devices: Option<Activity>) -> Status {
        match (devices.filter(|_| self.deleted_at.is_none()), self.availability) {
            (None, _) | (_, Availability::Invisible) => Status::Offline,
            (_, Availability::Busy) => Status::Busy,
            (_, Availability::Away) | (Some(Activity::Idle), _) => Status::Away,
            (Some(Activity::Active), Availability::Online) => Status::Online,
        }
    }

    /// The names for the search: username, first and last name.
    pub fn names(&self) -> [&str; 3] {
        [&self.username, &self.first_name, &self.last_name]
    }

    /// The full name, or the username if there is none: a private chat's name.
    pub fn display_name(&self) -> String {
        let full = format!("{} {}", self.first_name, self.last_name);
        match full.trim() {
            "" => self.username.clone(),
            name => name.to_owned(),
        }
    }

    /// The short form that other objects carry.
    pub fn reference(&self) -> UserRef {
        UserRef {
            id: self.id,
            username: self.username.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            avatar: self.avatar.clone(),
        }
    }
}

/// The short form of a user, inside other objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserRef {
    /// Its id.
    pub id: UserId,
    /// Shown name.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Path of the avatar below the media root.
    pub avatar: Option<String>,
}

impl UserRef {
    /// The name of an anonymised account. Nobody else can have it.
    pub fn of_shell(id: UserId) -> Self {
        let (username, no_name) = (format!("{ANONYMISED}{id}"), String::new());
        Self { id, username, first_name: no_name.clone(), last_name: no_name, avatar: None }
    }
}

/// A user, with the presence that others see.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The account.
    pub user: User,
    /// The status that others see.
    pub status: Status,
}

impl Profile {
    /// As those see the user that the user blocks.
    pub fn hide(&mut self) {
        (self.status, self.user.last_seen) = (Status::Offline, None);
    }
}
