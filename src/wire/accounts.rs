//! The bodies that register, secure and delete an account.

use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::error::Result;
use crate::domain::input::Input;
use crate::domain::login_names::{EMAIL_MAX, Email, Username};
use crate::domain::password;
use crate::domain::reset::NewPassword;
use crate::domain::user::{Password, PasswordChange, Registration, User};

use super::fields::Fields;
use super::kinds::{Boolean, text};
use super::texts::{self, USERNAME, email, name, new_password, password, present, username};
use super::visitor::{Visitor, describe};

const PASSWORD: &str =
    "Must not be a common password, consist only of digits, or resemble the user's names.";

/// Registers an account.
#[derive(Debug)]
pub struct Register {
    username: Option<Username>,
    password: Option<String>,
    email: Option<Option<Email>>,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl PartialSchema for Register {
    fn schema() -> RefOr<Schema> {
        describe("Registers an account.", Self::visit)
    }
}

impl ToSchema for Register {}

impl Register {
    fn visit(body: &mut impl Visitor) -> Self {
        Self {
            username: body.required("username", USERNAME, username().example("whiskers")),
            password: body.required(
                "password",
                PASSWORD,
                new_password().example("nine-lives-2026"),
            ),
            email: body.optional("email", "Unique, ignoring case. May be empty.", email()),
            first_name: body.optional("first_name", "May be empty.", name()),
            last_name: body.optional("last_name", "May be empty.", name()),
        }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Input<Registration> {
        let Self { username, password, email, first_name, last_name } = Self::visit(&mut body);
        let first_name = first_name.unwrap_or_default();
        let last_name = last_name.unwrap_or_default();
        let email = email.flatten();
        if let Some(password) = &password {
            let attributes = password::Attributes {
                username: username.as_ref().map_or("", Username::as_str),
                email: email.as_ref().map_or("", Email::as_str),
                first_name: &first_name,
                last_name: &last_name,
            };
            for fault in password::faults(password, &attributes) {
                body.fault("password", fault);
            }
        }
        let password = password.map(Password);
        let value = Registration { username, email, password, first_name, last_name };
        Input { value, errors: body.into_errors() }
    }
}

/// Changes the user's password.
#[derive(Debug)]
pub struct ChangePassword {
    old: Option<String>,
    new: Option<String>,
    wants_tokens: Option<bool>,
}

impl PartialSchema for ChangePassword {
    fn schema() -> RefOr<Schema> {
        describe("Changes your password.", Self::visit)
    }
}

impl ToSchema for ChangePassword {}

impl ChangePassword {
    fn visit(body: &mut impl Visitor) -> Self {
        Self {
            old: body.required("old_password", "The password that you have.", password()),
            new: body.required("new_password", PASSWORD, new_password()),
            wants_tokens: body.optional(
                "new_tokens",
                "Whether to return new tokens for this session.",
                Boolean { default: Some(false) },
            ),
        }
    }

    /// Reads the body, and whether new tokens are wanted. `of` is the account.
    pub fn parse(mut body: Fields, of: &User) -> (Input<PasswordChange>, bool) {
        let Self { old, new, wants_tokens } = Self::visit(&mut body);
        let attributes = password::Attributes::from(of);
        for fault in new.iter().flat_map(|new| password::faults(new, &attributes)) {
            body.fault("new_password", fault);
        }
        let value = PasswordChange { old: old.map(Password), new: new.map(Password) };
        (Input { value, errors: body.into_errors() }, wants_tokens.unwrap_or_default())
    }
}

/// Ends the user's account.
#[derive(Debug)]
pub struct EndAccount {
    password: Option<String>,
}

impl PartialSchema for EndAccount {
    fn schema() -> RefOr<Schema> {
        describe("Deletes your account.", Self::visit)
    }
}

impl ToSchema for EndAccount {}

impl EndAccount {
    fn visit(body: &mut impl Visitor) -> Self {
        Self { password: body.required("password", "Your password.", password()) }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Password> {
        let Self { password } = Self::visit(&mut body);
        body.finish(password.map(Password))
    }
}

/// Asks for a link that resets a password.
#[derive(Debug)]
pub struct RequestReset {
    email: Option<Email>,
}

impl PartialSchema for RequestReset {
    fn schema() -> RefOr<Schema> {
        describe("Asks for a link that resets a password.", Self::visit)
    }
}

impl ToSchema for RequestReset {}

impl RequestReset {
    fn visit(body: &mut impl Visitor) -> Self {
        let address = text(|email| Email::parse(texts::not_blank(email)?.trim()));
        let address = address.min(1).max(EMAIL_MAX).example("whiskers@example.org");
        Self { email: body.required("email", "The account's address, ignoring case.", address) }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Email> {
        let Self { email } = Self::visit(&mut body);
        body.finish(email)
    }
}

/// Sets a new password, authorized by a link.
#[derive(Debug)]
pub struct ConfirmReset {
    uid: Option<String>,
    token: Option<String>,
    new: Option<String>,
}

impl PartialSchema for ConfirmReset {
    fn schema() -> RefOr<Schema> {
        describe("Sets a new password, authorized by a mailed link.", |shape| {
            drop(Self::visit(shape))
        })
    }
}

impl ToSchema for ConfirmReset {}

impl ConfirmReset {
    fn visit(body: &mut impl Visitor) -> Self {
        Self {
            uid: body.required("uid", "From the link.", present()),
            token: body.required("token", "From the link.", present()),
            new: body.required("new_password", PASSWORD, new_password()),
        }
    }

    /// Reads the body.
    pub fn parse(mut body: Fields) -> Input<NewPassword> {
        let Self { uid, token, new } = Self::visit(&mut body);
        let value = NewPassword { uid, token, password: new.map(Password) };
        Input { value, errors: body.into_errors() }
    }
}
