//! Login names that a request wants: whether other users have them. They are claimed in the store.

use crate::app::App;
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::ids::UserId;
use crate::domain::login_names::{Email, TAKEN, Username};
use crate::domain::text;
use crate::domain::user::User;
use crate::store::{Target, users};

/// The login names of a request, as far as they are valid: they are looked up even if another field is
/// invalid, so that all validation errors are reported at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NamesWanted {
    /// The username's key.
    pub username: Option<String>,
    /// The address's key.
    pub email: Option<String>,
}

impl NamesWanted {
    /// The distinct keys: a user's address and username may be the same.
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> =
            [&self.username, &self.email].into_iter().flatten().cloned().collect();
        keys.dedup();
        keys
    }

    /// Whether any of them is not one of these.
    pub(super) fn differs_from(&self, own: &Self) -> bool {
        let is_new =
            |wanted: &Option<String>, own: &Option<String>| wanted.is_some() && wanted != own;
        is_new(&self.username, &own.username) || is_new(&self.email, &own.email)
    }

    /// The names of an account.
    pub(super) fn of(user: &User) -> Self {
        let email = Some(user.email.as_str()).filter(|email| !email.is_empty());
        Self { username: Some(text::fold(&user.username)), email: email.map(text::fold) }
    }

    /// The keys of a username and an address.
    pub(super) fn new(username: Option<&Username>, email: Option<&Email>) -> Self {
        Self { username: username.map(Username::key), email: email.map(Email::key) }
    }
}

/// The validation errors for names that a concurrent request has just taken.
pub(super) async fn taken_meanwhile(app: &App, names: &NamesWanted, me: Option<UserId>) -> Error {
    match taken(&app.db, names, me).await.map(FieldErrors::into_result) {
        Ok(Err(errors)) => errors,
        // It may have been released since.
        Ok(Ok(())) => Error::Unavailable("a login name was taken for a moment".into()),
        Err(error) => error,
    }
}

/// Which of the names belong to users other than `me`.
pub(super) async fn taken(
    at: impl Into<Target<'_>>,
    names: &NamesWanted,
    me: Option<UserId>,
) -> Result<FieldErrors> {
    let taken = users::taken(at, names.keys()).await?;
    let is_taken = |key: &Option<String>| {
        taken.iter().any(|(name, id)| Some(name) == key.as_ref() && Some(*id) != me)
    };
    let mut errors = FieldErrors::default();
    if is_taken(&names.username) {
        errors.add("username", TAKEN);
    }
    if is_taken(&names.email) {
        errors.add("email", "This field must be unique.");
    }
    Ok(errors)
}
