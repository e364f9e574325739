//! The bodies that make, secure and end an account.

use utoipa::ToSchema;

use crate::domain::error::Result;
use crate::domain::password;
use crate::domain::reset::NewPassword;
use crate::domain::user::{self, Email, Password, Username};

use super::fields::Fields;
use super::texts::{present, secret};
use super::users::{name, optional_email};

/// Registers an account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Register {
    /// Letters, digits and `@.+-_`; unique without regard to case.
    #[schema(min_length = 1, max_length = 150, pattern = r"^[\w.@+-]+$", example = "whiskers")]
    username: String,
    /// Not common, not all digits, not like the name.
    #[schema(min_length = 8, max_length = 1024, format = Password, example = "nine-lives-2026")]
    password: String,
    /// Unique without regard to case; may be empty.
    #[schema(max_length = 254, nullable = false)]
    email: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    first_name: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    last_name: Option<String>,
}

impl Register {
    /// Reads the body. The names that it asks for come by themselves, where they are valid: whether
    /// they are free is told together with what else is wrong.
    pub fn parse(
        mut body: Fields,
    ) -> (Option<Username>, Option<Email>, Result<user::Registration>) {
        let username = body.required("username", |text| Username::parse(text.trim()));
        let email = body.optional("email", |text| optional_email(&text));
        let first_name = body.optional("first_name", |text| name(&text)).unwrap_or_default();
        let last_name = body.optional("last_name", |text| name(&text)).unwrap_or_default();
        let password = body.required("password", secret);
        if let Some(password) = &password {
            let email = email.as_ref().and_then(|email| email.as_ref());
            let attributes = password::Attributes {
                username: username.as_ref().map_or("", Username::as_str),
                email: email.map_or("", Email::as_str),
                first_name: &first_name,
                last_name: &last_name,
            };
            for fault in password::faults(password, &attributes) {
                body.fault("password", fault);
            }
        }
        let email = email.flatten();
        let made = username.clone().zip(password).map(|(username, password)| user::Registration {
            username,
            email: email.clone(),
            password: Password(password),
            first_name,
            last_name,
        });
        (username, email, body.finish(made))
    }
}

/// Changes one's password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ChangePassword {
    #[schema(min_length = 1, max_length = 1024, format = Password)]
    old_password: String,
    /// Not common, not all digits, not like the name.
    #[schema(min_length = 8, max_length = 1024, format = Password)]
    new_password: String,
    /// Whether to answer the session's new tokens.
    #[schema(default = false, required = false)]
    new_tokens: bool,
}

impl ChangePassword {
    /// Reads the body: the old one, where it can be one; the new one; and whether new tokens are
    /// wanted. `of` is the account.
    pub fn parse(mut body: Fields, of: &user::User) -> (Option<Password>, Result<Password>, bool) {
        let wants_tokens = body.boolean("new_tokens").unwrap_or_default();
        let old = body.required("old_password", secret);
        let new = body.required("new_password", secret);
        let attributes = password::Attributes::from(of);
        for fault in new.iter().flat_map(|new| password::faults(new, &attributes)) {
            body.fault("new_password", fault);
        }
        (old.map(Password), body.finish(new.map(Password)), wants_tokens)
    }
}

/// Ends one's account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct EndAccount {
    /// One's password.
    #[schema(min_length = 1, max_length = 1024, format = Password)]
    password: String,
}

impl EndAccount {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Password> {
        let password = body.required("password", secret);
        body.finish(password.map(Password))
    }
}

/// Asks for a link.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct RequestReset {
    /// The account's address. Case does not matter.
    #[schema(min_length = 1, max_length = 254, example = "whiskers@example.org")]
    email: String,
}

impl RequestReset {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Email> {
        let email = body.required("email", |email| Email::parse(present(email)?.trim()));
        body.finish(email)
    }
}

/// Sets a new password by a link.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ConfirmReset {
    /// From the link.
    #[schema(min_length = 1)]
    uid: String,
    /// From the link.
    #[schema(min_length = 1)]
    token: String,
    /// Not common, not all digits, not like the name.
    #[schema(min_length = 8, max_length = 1024, format = Password)]
    new_password: String,
}

impl ConfirmReset {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> NewPassword {
        NewPassword {
            uid: body.required("uid", present),
            token: body.required("token", present),
            password: body.required("new_password", secret).map(Password),
            errors: body.into_errors(),
        }
    }
}
