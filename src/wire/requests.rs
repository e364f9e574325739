//! What clients send, each as the schema shows it and as it is read: into domain types that cannot
//! be wrong, with every wrong field told at once. The structs themselves only describe.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use crate::domain::chat::{ChatName, Description, NewChat, too_many_members};
use crate::domain::error::{FieldErrors, Result};
use crate::domain::ids::{MessageId, UserId};
use crate::domain::message::{ClientId, Content, Draft, Unfit};
use crate::domain::numbering::Seq;
use crate::domain::password;
use crate::domain::receipt::ReadUpTo;
use crate::domain::sync::Known;
use crate::domain::text;
use crate::domain::user::{self, Availability, Email, NAME_MAX, Password, UserChange, Username};

use super::fields::Fields;

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

/// Changes an account. From anyone but staff, `is_active` is ignored; from anyone but a superuser,
/// `is_staff`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct UpdateUser {
    /// Required by PUT.
    #[schema(min_length = 1, max_length = 150, pattern = r"^[\w.@+-]+$", example = "whiskers")]
    username: String,
    /// Empty: none.
    #[schema(max_length = 254, nullable = false)]
    email: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    first_name: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    last_name: Option<String>,
    #[schema(max_length = 140, nullable = false)]
    status_text: Option<String>,
    /// What to be seen as; `status` is another name for it.
    #[schema(value_type = Option<super::objects::schema::Availability>, nullable = false)]
    availability: Option<String>,
    /// A file, in a form; or `null`, and of a form an empty part, which takes the picture away.
    #[schema(format = Binary)]
    avatar: Option<String>,
    /// A boolean, from staff; from others anything, since it is not looked at.
    #[schema(value_type = Value, required = false)]
    is_active: Option<bool>,
    /// A boolean, from a superuser; from others anything, since it is not looked at.
    #[schema(value_type = Value, required = false)]
    is_staff: Option<bool>,
}

/// Changes an account: what is left out stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct PatchUser {
    #[schema(min_length = 1, max_length = 150, pattern = r"^[\w.@+-]+$", nullable = false)]
    username: Option<String>,
    /// Empty: none.
    #[schema(max_length = 254, nullable = false)]
    email: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    first_name: Option<String>,
    #[schema(max_length = 150, nullable = false)]
    last_name: Option<String>,
    #[schema(max_length = 140, nullable = false)]
    status_text: Option<String>,
    /// What to be seen as; `status` is another name for it.
    #[schema(value_type = Option<super::objects::schema::Availability>, nullable = false)]
    availability: Option<String>,
    /// A file, in a form; or `null`, and of a form an empty part, which takes the picture away.
    #[schema(format = Binary)]
    avatar: Option<String>,
    /// A boolean, from staff; from others anything, since it is not looked at.
    #[schema(value_type = Value, required = false)]
    is_active: Option<bool>,
    /// A boolean, from a superuser; from others anything, since it is not looked at.
    #[schema(value_type = Value, required = false)]
    is_staff: Option<bool>,
}

impl UpdateUser {
    /// Reads the body; `partial` where the username too may be left out. What `by` may not say is
    /// not looked at. With what can be read comes all that is wrong: whether a name is free is told
    /// together with it.
    pub fn parse(mut body: Fields, partial: bool, by: &user::User) -> (UserChange, FieldErrors) {
        if !partial && !body.has("username") {
            body.require("username");
        }
        let choice = |name: String| {
            Availability::try_from(name.clone())
                .map_err(|_| format!("\"{name}\" is not a valid choice."))
        };
        let alias = body.optional("status", choice);
        let change = UserChange {
            username: body.optional("username", |text| Username::parse(text.trim())),
            email: body.optional("email", |text| optional_email(&text)),
            first_name: body.optional("first_name", |text| name(&text)),
            last_name: body.optional("last_name", |text| name(&text)),
            status_text: body.optional("status_text", status_text),
            availability: body.optional("availability", choice).or(alias),
            avatar: body.picture("avatar"),
            is_active: if by.is_staff { body.boolean("is_active") } else { None },
            is_staff: if by.is_superuser { body.boolean("is_staff") } else { None },
        };
        (change, body.into_errors())
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

/// Logs in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Login {
    /// Or the e-mail address. Case does not matter.
    #[schema(min_length = 1, max_length = 254, pattern = r"^[^\x00]*$", example = "whiskers")]
    username: String,
    #[schema(min_length = 1, max_length = 1024, pattern = r"^[^\x00]*$", format = Password, example = "nine-lives-2026")]
    password: String,
}

impl Login {
    /// Reads the body: the login's key and the password.
    pub fn parse(mut body: Fields) -> Result<(String, Password)> {
        let username = body.required("username", |name| {
            text::check_present(&name, user::EMAIL_MAX).map(|()| text::fold(name.trim()))
        });
        let password = body.required("password", secret);
        body.finish(username.zip(password.map(Password)))
    }
}

/// Renews the tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Refresh {
    /// The latest one. It is spent.
    #[schema(min_length = 1)]
    refresh: String,
}

impl Refresh {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<String> {
        let token = body.required("refresh", present);
        body.finish(token)
    }
}

/// Asks whether a token is good.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Verify {
    /// Of either kind.
    #[schema(min_length = 1)]
    token: String,
}

impl Verify {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<String> {
        let token = body.required("token", present);
        body.finish(token)
    }
}

/// Opens a chat.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum CreateChat {
    /// With one other.
    Private {
        /// The other's id.
        #[schema(min_items = 1, example = json!([8]))]
        members: Vec<i64>,
    },
    /// Of any number.
    Group {
        /// What all see.
        #[schema(min_length = 1, max_length = 100, example = "Kitchen")]
        name: String,
        /// Empty: none.
        #[schema(max_length = 1000, nullable = false)]
        description: Option<String>,
        /// The ids of the others.
        #[schema(nullable = false, example = json!([8]))]
        members: Option<Vec<i64>>,
    },
}

impl CreateChat {
    /// Reads the body. `me` is the maker, who is ignored among the members; `max` is the largest
    /// group, its maker included. The members that it names come by themselves: whether they are
    /// there is told together with what else is wrong.
    pub fn parse(mut body: Fields, me: UserId, max: usize) -> (Vec<UserId>, Result<NewChat>) {
        let private = body.required("type", |kind| match kind.as_str() {
            "private" => Ok(true),
            "group" => Ok(false),
            other => Err(format!("\"{other}\" is not a valid choice.")),
        });
        let listed = body.ids("members");
        let mut members: Vec<_> = listed.iter().flatten().map(|id| UserId(*id)).collect();
        members.retain(|id| *id != me);
        members.sort_unstable();
        members.dedup();
        let named = members.clone();
        let made = match private {
            Some(true) => match (&listed, members.as_slice()) {
                (_, [peer]) => Some(NewChat::Private { peer: *peer }),
                (None, _) => {
                    body.require("members");
                    None
                }
                (Some(_), _) => {
                    body.fault("members", "A private chat is with exactly one other user.");
                    None
                }
            },
            Some(false) => {
                let name = body.required("name", |name| ChatName::parse(&name));
                let description = body
                    .optional("description", |text| Description::parse(&text))
                    .unwrap_or_default();
                if members.len() >= max {
                    body.fault("members", too_many_members(max));
                }
                name.map(|name| NewChat::Group { name, description, members })
            }
            None => None,
        };
        (named, body.finish(made))
    }
}

/// Sends a message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct SendMessage {
    /// Kept exactly as it is sent. Not blank.
    #[schema(min_length = 1, example = "Meow!")]
    content: String,
    /// The id of the message of this chat that it answers.
    #[schema(minimum = 1)]
    reply_to: Option<i64>,
    /// One's own name for the message: the same one again makes no second message.
    #[schema(min_length = 1, max_length = 64, example = "b0f7c2a4")]
    client_id: Option<String>,
}

impl SendMessage {
    /// Reads the body; `max` is the longest content, in characters.
    pub fn parse(mut body: Fields, max: usize) -> Result<Draft, Unfit> {
        let content = body.required("content", |text| Content::parse(text, max));
        let reply_to = body.nullable_id("reply_to").map(MessageId);
        let client_id = body.nullable("client_id", ClientId::parse);
        body.finish(content.map(|content| Draft { content, reply_to, client_id }))
            .map_err(|error| Unfit { error, reply_to })
    }
}

/// Edits a message.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct EditMessage {
    /// Kept exactly as it is sent. Not blank.
    #[schema(min_length = 1, example = "Purr.")]
    content: String,
}

impl EditMessage {
    /// Reads the body; `max` is the longest content, in characters.
    pub fn parse(mut body: Fields, max: usize) -> Result<Content> {
        let content = body.required("content", |text| Content::parse(text, max));
        body.finish(content)
    }

    /// Reads a body that may leave out what it does not change.
    pub fn parse_partial(mut body: Fields, max: usize) -> Result<Option<Content>> {
        let content = body.optional("content", |text| Content::parse(text, max));
        body.finish(Some(content))
    }
}

/// Changes a message: what is left out stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct PatchMessage {
    /// Kept exactly as it is sent. Not blank.
    #[schema(min_length = 1, nullable = false, example = "Purr.")]
    content: Option<String>,
}

/// Marks messages as read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct ReadMessages {
    /// Everything up to this `seq`; beyond the newest message, up to that. Required where `message`
    /// is left out.
    #[schema(minimum = 0, nullable = false)]
    seq: Option<i64>,
    /// Everything up to the message with this id, instead of `seq`.
    #[schema(minimum = 1)]
    message: Option<i64>,
}

impl ReadMessages {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<ReadUpTo> {
        let seq = body.integer("seq", 0, i64::MAX).map(Seq).map(ReadUpTo::Seq);
        let message = body.nullable_id("message").map(|id| ReadUpTo::Message(MessageId(id)));
        if seq.is_none() && message.is_none() && body.is_right() {
            body.require("seq");
        }
        body.finish(seq.or(message))
    }
}

/// Asks what changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub struct Sync {
    /// The version that one has of each chat, by the chat's id.
    #[schema(schema_with = numbers_by_id)]
    versions: HashMap<String, i64>,
    /// The epoch that these versions are of.
    epoch: Option<String>,
    /// Most messages in the answer, 500 by default.
    #[schema(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<i64>,
}

impl Sync {
    /// Reads the body.
    pub fn parse(mut body: Fields) -> Result<Known> {
        let versions = body.versions("versions");
        let epoch = body.nullable("epoch", Ok);
        let limit = body.integer("limit", 1, 1_000).unwrap_or(Known::LIMIT);
        body.finish(versions.map(|versions| Known { versions, epoch, limit }))
    }
}

/// An object of whole numbers by id, as the schema shows it.
pub(super) fn numbers_by_id() -> Object {
    let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,18}$"));
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    let numbers = ObjectBuilder::new().property_names(Some(id)).additional_properties(Some(number));
    numbers.examples([json!({"3": 17})]).build()
}

/// An address, or none.
fn optional_email(value: &str) -> Result<Option<Email>, String> {
    match value.trim() {
        "" => Ok(None),
        address => Email::parse(address).map(Some),
    }
}

/// First and last names: trimmed, may be empty.
fn name(value: &str) -> Result<String, String> {
    let value = value.trim();
    text::check(value, NAME_MAX)?;
    Ok(value.to_owned())
}

/// A user's own line: trimmed, may be empty.
pub(super) fn status_text(value: String) -> Result<String, String> {
    let value = value.trim();
    text::check(value, user::STATUS_TEXT_MAX).map(|()| value.to_owned())
}

/// A password as it came: spaces are part of it.
pub(super) fn secret(value: String) -> Result<String, String> {
    if value.is_empty() {
        return Err(text::BLANK.to_owned());
    }
    text::check(&value, password::MAX_CHARS).map(|()| value)
}

/// A text that is not blank.
pub(super) fn present(value: String) -> Result<String, String> {
    if text::is_blank(&value) { Err(text::BLANK.to_owned()) } else { Ok(value) }
}
