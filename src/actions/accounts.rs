//! Accounts: making one, and setting its password from the command line.

use std::sync::Arc;

use crate::app::App;
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::event::Event;
use crate::domain::ids::UserId;
use crate::domain::session::Device;
use crate::domain::user::{Email, Password, Profile, Registration, Username};
use crate::store::error::Error as StoreError;
use crate::store::users::NewUser;
use crate::store::{Target, sessions as session_rows, users};

use super::sessions::{self, Opened};
use super::unit::Unit;

/// The login names that a registration asks for, where they are valid in themselves: they are
/// looked up even if something else is wrong, so that all faults are told at once.
#[derive(Debug, Default)]
pub struct NamesWanted {
    /// The username's key.
    pub username: Option<String>,
    /// The address's key.
    pub email: Option<String>,
}

impl NamesWanted {
    /// Of a username and an address.
    pub fn new(username: Option<&Username>, email: Option<&Email>) -> Self {
        Self { username: username.map(Username::key), email: email.map(Email::key) }
    }
}

/// Makes an account and its first session.
pub async fn register(
    app: &Arc<App>,
    names: &NamesWanted,
    registration: Result<Registration>,
    device: &Device,
) -> Result<Opened> {
    let registration = check(app, names, registration).await?;
    let encoded = app.passwords.hash(&registration.password.0).await?;
    let mut unit = Unit::begin(app).await?;
    let id = match insert(app, &mut unit, &registration, &encoded, false).await {
        // Somebody took the name meanwhile.
        Err(StoreError::Unique(_)) => return Err(taken_meanwhile(app, names).await),
        inserted => inserted?,
    };
    let user = users::by_id(&mut unit.tx, id).await?;
    let user = user.ok_or_else(|| Error::internal("a user was inserted and is not there"))?;
    let tokens = sessions::open(app, &mut unit, id, device).await?;
    unit.commit().await?;
    let status = user.status(app.hub.is_connected(id));
    Ok(Opened { profile: Profile { user, status }, tokens })
}

/// Makes a superuser.
pub async fn create_superuser(
    app: &Arc<App>,
    names: &NamesWanted,
    registration: Result<Registration>,
) -> Result<UserId> {
    let registration = check(app, names, registration).await?;
    let encoded = app.passwords.hash(&registration.password.0).await?;
    let mut unit = Unit::begin(app).await?;
    let id = match insert(app, &mut unit, &registration, &encoded, true).await {
        Err(StoreError::Unique(_)) => return Err(taken_meanwhile(app, names).await),
        inserted => inserted?,
    };
    unit.commit().await?;
    Ok(id)
}

/// Sets a password, as an operator may. Every session of the user ends.
pub async fn set_password(app: &Arc<App>, id: UserId, password: &Password) -> Result<()> {
    let encoded = app.passwords.hash(&password.0).await?;
    let mut unit = Unit::begin(app).await?;
    users::set_password(&mut unit.tx, id, &encoded).await?;
    let ended = session_rows::end_all(&mut unit.tx, id, app.clock.now()).await?;
    unit.emit(Event::SessionsEnded(ended));
    unit.commit().await
}

/// The account with a username or address, for an operator. [`Error::NotFound`] where none.
pub async fn by_login(app: &App, key: &str) -> Result<Profile> {
    let (id, _) = users::by_login(&app.db, key).await?.ok_or(Error::NotFound)?;
    let user = users::by_id(&app.db, id).await?.ok_or(Error::NotFound)?;
    let status = user.status(app.hub.is_connected(id));
    Ok(Profile { user, status })
}

/// The registration, if it is valid and its names are free; else everything that is wrong.
async fn check(
    app: &App,
    names: &NamesWanted,
    registration: Result<Registration>,
) -> Result<Registration> {
    let mut errors = taken(&app.db, names).await?;
    match registration {
        Err(Error::Invalid(others)) => {
            errors.extend(others);
            Err(Error::Invalid(errors))
        }
        registration => errors.into_result().and(registration),
    }
}

async fn insert(
    app: &App,
    unit: &mut Unit,
    registration: &Registration,
    encoded: &str,
    is_superuser: bool,
) -> Result<UserId, StoreError> {
    let user = NewUser {
        username: &registration.username,
        email: registration.email.as_ref(),
        password: encoded,
        first_name: &registration.first_name,
        last_name: &registration.last_name,
        is_superuser,
    };
    users::insert(&mut unit.tx, &user, app.clock.now()).await
}

async fn taken_meanwhile(app: &App, names: &NamesWanted) -> Error {
    match taken(&app.db, names).await.map(FieldErrors::into_result) {
        Ok(Err(errors)) => errors,
        // And gave it back since.
        Ok(Ok(())) => Error::Unavailable("a login name was taken for a moment".into()),
        Err(error) => error,
    }
}

async fn taken(at: impl Into<Target<'_>>, names: &NamesWanted) -> Result<FieldErrors> {
    let keys: Vec<_> = [&names.username, &names.email].into_iter().flatten().cloned().collect();
    let taken = users::taken(at, keys).await?;
    let is_taken = |key: &Option<String>| key.as_ref().is_some_and(|key| taken.contains(key));
    let mut errors = FieldErrors::default();
    if is_taken(&names.username) {
        errors.add("username", "A user with that username already exists.");
    }
    if is_taken(&names.email) {
        errors.add("email", "This field must be unique.");
    }
    Ok(errors)
}
