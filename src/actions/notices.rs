//! Notices by mail that an account's password or e-mail address was changed. They are sent to the previous
//! address, so that somebody who takes over an account cannot keep them from its owner. They contain no
//! link, no secret, and nothing about who made the change.

use std::sync::Arc;

use crate::app::App;
use crate::domain::error::Result;
use crate::domain::ids::UserId;
use crate::domain::user::User;
use crate::mail::Mail;
use crate::shares::Holder;

use super::attempts::{self, MailKind};

/// The change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The password, by a user who knew the old one.
    PasswordChanged,
    /// The password, by a mailed link.
    PasswordReset,
    /// The address was changed or removed.
    EmailChanged,
}

impl Notice {
    fn subject(self) -> &'static str {
        match self {
            Self::PasswordChanged | Self::PasswordReset => "Your password was changed",
            Self::EmailChanged => "Your e-mail address was changed",
        }
    }

    fn body(self, username: &str) -> String {
        let (what, then) = match self {
            Self::PasswordChanged => (
                "was changed, and its other devices were logged out",
                "reset the password now, and then end the sessions that are not yours.",
            ),
            Self::PasswordReset => (
                "was changed by a link that was mailed to this address, and all of its devices were\n\
                 logged out",
                "somebody else can read your mail: secure your mailbox, then reset the password.",
            ),
            Self::EmailChanged => (
                "was changed: mail about the account does not come to this address any more",
                "log in, change your password and your address, and end the sessions that are not\n\
                 yours. If you cannot log in any more, ask those who run this site.",
            ),
        };
        let subject = if self == Self::EmailChanged { "e-mail address" } else { "password" };
        format!(
            "The {subject} of the account {username} {what}.\n\
             \n\
             If that was you, there is nothing to do. If it was not, {then}\n"
        )
    }
}

/// Mails a notice to the account's address before the change. Call it after the commit. It does not
/// wait, and logs a failure, since the change has been made.
pub(super) fn send(app: &Arc<App>, before: &User, notice: Notice) {
    if before.email.is_empty() {
        return;
    }
    let (node, user, to) = (Arc::clone(app), before.id, before.email.clone());
    let body = notice.body(&before.username);
    let mail = Mail { to, subject: notice.subject(), body };
    app.spawn(async move {
        if let Err(error) = deliver(&node, user, &mail).await {
            tracing::warn!(error = %error.cause(), user = user.0, ?notice, "a notice could not be mailed");
        }
    });
}

async fn deliver(app: &Arc<App>, user: UserId, mail: &Mail) -> Result<()> {
    // A bounded number waits here; a notice beyond that is lost.
    let slot = app.mailer.slot(Holder::User(user))?;
    attempts::mail(app, MailKind::Notice, &mail.to).await?;
    app.mailer.send(&slot, mail).await
}
