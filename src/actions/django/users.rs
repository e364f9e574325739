//! Django's users as accounts here.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::actions::transfer::TransferError;
use crate::auth::hashes;
use crate::domain::login_names::{Email, NAME_MAX, Username};
use crate::domain::presence::Availability;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::domain::user::STATUS_TEXT_MAX;
use crate::store::django::{DjangoDatabase, DjangoRow};
use crate::store::load::Load;

use super::fields::{self, flag, moment, number, text as field};
use super::report::Report;
use super::rows::{Rows, object};

/// The users that were imported, by what they log in by.
#[derive(Default)]
pub(super) struct Users {
    /// The keys of usernames and addresses, with their owners.
    names: HashMap<String, i64>,
    /// Avatars, with their owners.
    pub(super) pictures: Vec<(i64, String)>,
    /// Every id.
    ids: HashSet<i64>,
    /// The greatest id.
    pub(super) last: i64,
}

impl Users {
    /// Imports all users.
    pub(super) async fn import(
        django: &mut DjangoDatabase,
        load: &mut Load,
        report: &mut Report<'_>,
        now: Timestamp,
    ) -> Result<Self, TransferError> {
        let mut users = Self::default();
        let (mut rows, mut names) = (Rows::of(load, "users")?, Rows::of(load, "login_names")?);
        report.begin("users", django.count(fields::USERS).await?);
        let taking = async |found: Vec<DjangoRow>| -> Result<(), TransferError> {
            report.advance(found.len());
            for row in found {
                let (user, keys) = users.user(&row, report, now);
                let id = user["id"].clone();
                rows.add(load, object(user)).await?;
                users.keep(id.as_i64().unwrap_or_default(), &row);
                for key in keys {
                    // The users are inserted first: names refer to them.
                    names.hold(object(json!({"name_key": key, "user_id": id})));
                }
                if names.is_full() {
                    rows.flush(load).await?;
                    names.flush(load).await?;
                }
            }
            Ok(())
        };
        django.each(fields::USERS, "id", taking).await??;
        rows.flush(load).await?;
        names.flush(load).await?;
        Ok(users)
    }

    /// Whether there is such a user.
    pub(super) fn contains(&self, id: i64) -> bool {
        self.ids.contains(&id)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    fn keep(&mut self, id: i64, row: &DjangoRow) {
        self.ids.insert(id);
        self.last = self.last.max(id);
        let picture = field(row, fields::AVATAR);
        if !picture.is_empty() {
            self.pictures.push((id, picture.to_owned()));
        }
    }

    /// The account, and the keys to log in by.
    fn user(
        &mut self,
        row: &DjangoRow,
        report: &mut Report<'_>,
        now: Timestamp,
    ) -> (Value, Vec<String>) {
        let id = number(row, fields::ID).unwrap_or_default();
        let subject = || format!("user {id}");
        let username = self.username(id, field(row, fields::USERNAME), report);
        let key = username.key();
        self.names.insert(key.clone(), id);
        let email = self.email(id, field(row, fields::EMAIL), report);
        let mut keys = vec![key.clone()];
        if let Some(email) = &email {
            self.names.insert(email.key(), id);
            keys.extend(Some(email.key()).filter(|email| *email != key));
        }
        let password = field(row, fields::PASSWORD);
        if !hashes::is_known(password) {
            let algorithm = password.split('$').next().unwrap_or_default();
            report.loss(
                "password",
                subject(),
                format!("passwords hashed by {algorithm:?} cannot be checked here"),
                "imports the account; the user has to reset the password",
            );
        }
        let (availability, status_text) =
            status(field(row, fields::STATUS), field(row, fields::STATUS_TEXT), &subject, report);
        let mut limited = |name, of| limit(name, field(row, of), NAME_MAX, &subject, report);
        let first_name = limited("first name", fields::FIRST_NAME);
        let last_name = limited("last name", fields::LAST_NAME);
        let micros = |of| moment(row, of).map(Timestamp::micros);
        let user = json!({
            "id": id,
            "username": username.as_str(),
            "username_key": key,
            "email": email.as_ref().map_or("", Email::as_str),
            "password": if password.is_empty() { "!" } else { password },
            "first_name": first_name,
            "last_name": last_name,
            "is_active": flag(row, fields::IS_ACTIVE).unwrap_or(true),
            "is_staff": flag(row, fields::IS_STAFF).unwrap_or(false),
            "is_superuser": flag(row, fields::IS_SUPERUSER).unwrap_or(false),
            "last_login": micros(fields::LAST_LOGIN),
            "date_joined": micros(fields::DATE_JOINED).unwrap_or(now.micros()),
            "last_seen": micros(fields::LAST_SEEN),
            "availability": availability.as_str(),
            "status_text": status_text,
        });
        (user, keys)
    }

    fn username(&self, id: i64, name: &str, report: &mut Report<'_>) -> Username {
        let (subject, quoted) = (format!("user {id}"), text::quoted(name));
        let new = self.free_name(id, name);
        match Username::parse(name) {
            Ok(name) => match self.names.get(&name.key()) {
                None => return name,
                Some(other) => report.loss(
                    "duplicate-username",
                    subject,
                    format!(
                        "{quoted} is, without regard to case, a name or address of user {other}"
                    ),
                    format!("names the user {}", text::quoted(new.as_str())),
                ),
            },
            Err(reason) => report.loss(
                "username",
                subject,
                format!("{quoted} is no username here: {reason}"),
                format!("names the user {}", text::quoted(new.as_str())),
            ),
        }
        new
    }

    /// A name for a user who cannot have the own one.
    fn free_name(&self, id: i64, name: &str) -> Username {
        let similar = [format!("{name}_{id}"), format!("user_{id}")].into_iter();
        let more = (1_u64..).map(|number| format!("user_{id}_{number}"));
        let names = similar.chain(more).filter_map(|name| Username::parse(&name).ok());
        let free = { names }.find(|name| !self.names.contains_key(&name.key()));
        // There are more candidates than users.
        free.unwrap_or_else(|| self.free_name(id, ""))
    }

    fn email(&self, id: i64, address: &str, report: &mut Report<'_>) -> Option<Email> {
        const DROPS: &str = "imports the user without an address";
        if address.is_empty() {
            return None;
        }
        let (subject, quoted) = (format!("user {id}"), text::quoted(address));
        match Email::parse(address) {
            Ok(email) => match self.names.get(&email.key()) {
                Some(other) if *other != id => {
                    let text = format!("{quoted} is a name or address of user {other}, too");
                    report.loss("duplicate-email", subject, text, DROPS);
                    None
                }
                _ => Some(email),
            },
            Err(reason) => {
                let text = format!("{quoted} is no address here: {reason}");
                report.loss("email", subject, text, DROPS);
                None
            }
        }
    }
}

/// A status that is one of ours is the availability, any other text the status text.
fn status(
    status: &str,
    own_text: &str,
    subject: &dyn Fn() -> String,
    report: &mut Report<'_>,
) -> (Availability, String) {
    let known = status.trim().to_lowercase();
    let availability = match known.as_str() {
        "" | "offline" => Some(Availability::Online),
        _ => Availability::try_from(known).ok(),
    };
    let words = match availability {
        None if own_text.is_empty() => status.to_owned(),
        None => format!("{status} {own_text}"),
        Some(_) => own_text.to_owned(),
    };
    let words = limit("status", &words, STATUS_TEXT_MAX, subject, report);
    (availability.unwrap_or(Availability::Online), words)
}

/// A text with a limit, cut if it is too long.
pub(super) fn limit(
    name: &str,
    value: &str,
    most: usize,
    subject: &dyn Fn() -> String,
    report: &mut Report<'_>,
) -> String {
    if let Err(reason) = text::check(value, most) {
        report.loss("text", subject(), format!("the {name} does not fit: {reason}"), "cuts it");
    }
    value.chars().filter(|c| *c != '\0').take(most).collect()
}
