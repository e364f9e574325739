//! `changepassword USER`: set a password, as an operator may. The user's sessions end.

use crate::actions::accounts;
use crate::domain::error::Error;
use crate::domain::password;
use crate::domain::text;
use crate::domain::user::Password;

use super::createsuperuser::in_words;
use super::{Result, node, prompt, say};

/// See the fields.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The username or e-mail address
    user: String,
}

pub(super) async fn run(arguments: &Arguments) -> Result {
    let (app, _log) = node().await?;
    let found = accounts::by_login(&app, &text::fold(&arguments.user)).await;
    let user = match found {
        Err(Error::NotFound) => {
            return Err(format!("no user is called {:?}", arguments.user).into());
        }
        found => found.map_err(in_words)?.user,
    };
    say(&format!("Changing password for user {:?}", user.username));
    let password = prompt::new_password()?;
    let faults = password::faults(&password, &password::Attributes::from(&user));
    if !faults.is_empty() {
        return Err(faults.join(" ").into());
    }
    accounts::set_password(&app, user.id, &Password(password)).await.map_err(in_words)?;
    say(&format!("Password changed successfully for user {:?}", user.username));
    Ok(())
}
