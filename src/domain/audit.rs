//! What the audit table records of a change: the fields, before and after. Pure.

use serde_json::{Map, Value, json};

use super::user::User;

/// The fields that differ between two states of a user, as JSON:
/// `{"email": {"before": "…", "after": "…"}}`. `None` if none does. Passwords are never included: a
/// [`User`] has none.
pub fn changes(before: &User, after: &User) -> Option<String> {
    let changed: Map<_, _> = fields(before)
        .into_iter()
        .zip(fields(after))
        .filter(|((_, before), (_, after))| before != after)
        .map(|((name, before), (_, after))| {
            (name.to_owned(), json!({"before": before, "after": after}))
        })
        .collect();
    if changed.is_empty() { None } else { Some(Value::Object(changed).to_string()) }
}

/// The fields that staff can change.
fn fields(user: &User) -> [(&'static str, Value); 9] {
    [
        ("username", json!(user.username)),
        ("email", json!(user.email)),
        ("first_name", json!(user.first_name)),
        ("last_name", json!(user.last_name)),
        ("avatar", json!(user.avatar)),
        ("status_text", json!(user.status_text)),
        ("availability", json!(user.availability.as_str())),
        ("is_active", json!(user.is_active)),
        ("is_staff", json!(user.is_staff)),
    ]
}
