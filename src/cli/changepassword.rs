//! `changepassword USER`: sets a user's password and ends their sessions.

use crate::actions::{accounts, passwords};
use crate::domain::error::Error;
use crate::domain::password;
use crate::domain::text;
use crate::domain::user::Password;

use super::context::{Result, describe, node, say};
use super::prompt;

/// The arguments of `changepassword`.
#[derive(Debug, clap::Args)]
pub(super) struct ChangepasswordArguments {
    /// The username or e-mail address
    user: String,
}

pub(super) async fn run(arguments: &ChangepasswordArguments) -> Result {
    let (app, _log) = node().await?;
    let found = accounts::by_login(&app, &text::fold(&arguments.user)).await;
    let user = match found {
        Err(Error::NotFound) => {
            return Err(format!("there is no user {}", text::quoted(&arguments.user)).into());
        }
        found => found.map_err(describe)?.user,
    };
    say(&format!("Changing password for user {:?}", user.username));
    let password = prompt::new_password()?;
    let errors = password::faults(&password, &password::Attributes::from(&user));
    if !errors.is_empty() {
        return Err(errors.join(" ").into());
    }
    passwords::set_password(&app, user.id, &Password(password)).await.map_err(describe)?;
    say(&format!("Password changed successfully for user {:?}", user.username));
    Ok(())
}
