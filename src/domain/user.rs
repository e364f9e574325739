//! Users: accounts, the rules for names, availability, and the presence that others see.

use serde::{Deserialize, Serialize};

use super::avatar::NewAvatar;
use super::ids::UserId;
use super::numbering::AccountVersion;
use super::text;
use super::time::Timestamp;

/// Longest username, first name and last name, in characters.
pub const NAME_MAX: usize = 150;
/// Longest `status_text`, in characters.
pub const STATUS_TEXT_MAX: usize = 140;
/// Longest e-mail address, in characters (Django's `EmailField`).
pub const EMAIL_MAX: usize = 254;

/// A valid username: 1–150 Unicode letters, digits and `@.+-_`, in NFKC (Django's rule).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

/// The prefix of an anonymised account's name; its id follows.
const SHELL: &str = "deleted_";
/// Django's text.
pub const TAKEN: &str = "A user with that username already exists.";

impl Username {
    /// Normalises and validates; the error is Django's text.
    pub fn parse(value: &str) -> Result<Self, String> {
        text::check_present(value, NAME_MAX)?;
        let name = text::nfkc(value);
        if !name.chars().all(|c| text::is_word(c) || "@.+-".contains(c)) {
            return Err("Enter a valid username. This value may contain only letters, numbers, \
                        and @/./+/-/_ characters."
                .to_owned());
        }
        // NFKC can lengthen.
        text::check(&name, NAME_MAX)?;
        let number = text::fold(&name).strip_prefix(SHELL).map(str::to_owned);
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(TAKEN.to_owned());
        }
        Ok(Self(name))
    }

    /// The displayed name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key by which it is unique.
    pub fn key(&self) -> String {
        text::fold(&self.0)
    }
}

/// A plausible e-mail address: a local part, one `@`, a domain with a dot or `localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Validates; the error is Django's text. The domain is lower-cased, as Django's
    /// `normalize_email` does.
    pub fn parse(value: &str) -> Result<Self, String> {
        let invalid = || "Enter a valid email address.".to_owned();
        text::check(value, EMAIL_MAX)?;
        let (local, domain) = value.rsplit_once('@').ok_or_else(invalid)?;
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c));
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let domain = domain.to_lowercase();
        let last = domain.rsplit('.').next().unwrap_or_default();
        let domain_ok = domain == "localhost"
            || (domain.contains('.')
                && domain.split('.').all(label_ok)
                && last.chars().count() > 1
                && !last.chars().all(|c| c.is_ascii_digit()));
        if !local_ok || !domain_ok {
            return Err(invalid());
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key by which it is unique.
    pub fn key(&self) -> String {
        text::fold(&self.0)
    }
}

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

/// The availability that a user chose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// Appears online while connected.
    Online,
    /// Appears away while connected.
    Away,
    /// Appears busy while connected.
    Busy,
    /// Always appears offline.
    Invisible,
}

impl Availability {
    /// The name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Invisible => "invisible",
        }
    }
}

impl TryFrom<String> for Availability {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        [Self::Online, Self::Away, Self::Busy, Self::Invisible]
            .into_iter()
            .find(|choice| choice.as_str() == name)
            .ok_or_else(|| format!("no availability is called {name:?}"))
    }
}

/// Whether a connected device is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// In use; the default.
    Active,
    /// The device has reported that it is idle.
    Idle,
}

/// What others see of a user's presence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Connected.
    Online,
    /// Connected, not at the keyboard.
    Away,
    /// Connected, do not disturb.
    Busy,
    /// Not connected, or invisible.
    Offline,
}

/// A user's row, without the password. Never sent as it is: `wire::users` decides who sees what.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
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
    #[sqlx(try_from = "String")]
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
        let (username, no_name) = (format!("{SHELL}{id}"), String::new());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_follow_djangos_rule() {
        for good in ["a", "zoë", "Иван.П", "猫+1", "x@y_z-1", "ＭＥＯＷ"] {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        assert_eq!(
            Username::parse("ＭＥＯＷ").map(|n| n.as_str().to_owned()).as_deref(),
            Ok("MEOW")
        );
        for bad in ["", " ", "a b", "a/b", "a\0b", "a\u{200d}b", "🐈"] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Username::parse(&"a".repeat(151)).is_err());
        // A character that becomes three by NFKC: 60 of them are under the limit, 180 are not.
        assert!(Username::parse(&"\u{fb03}".repeat(60)).is_err());
    }

    #[test]
    fn emails_are_checked_and_their_domain_lowered() {
        assert_eq!(
            Email::parse("Zoe@Example.COM").map(|e| e.as_str().to_owned()).as_deref(),
            Ok("Zoe@example.com")
        );
        for bad in
            ["", "a", "a@", "@b.c", "a@b", "a b@c.de", "a..b@c.de", "a@c.d", "a@-c.de", "a@1.2.3.4"]
        {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }
}
