//! The list of users: search, filters, order, an export, and the deactivation of several.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::actions::{audit, staff_users};
use crate::app::App;
use crate::domain::audit::AuditAction;
use crate::domain::error::Error;
use crate::domain::ids::UserId;
use crate::domain::staff_users::{UserListing, UserOrder, UserPlace};
use crate::domain::user::User;

use super::confirm::ConfirmPage;
use super::errors::Result;
use super::forms::FieldView;
use super::inputs::{
    YES_NO, acted, choice, day, end_of_day, filters as set_filters, flag, text_field,
};
use super::lists::{FilterOption, ListQuery, PageLinks, SortLink};
use super::pages::{NavSection, PageFrame, render};
use super::visit::Visit;
use super::{csv, filters};

pub(super) const LIST: &str = "/admin/users/";
const NAME: &str = "users";
const FILTERS: &[&str] = &["q", "active", "staff", "superuser", "from", "until", "sort"];

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersPage {
    frame: PageFrame,
    search: FieldView,
    active: Vec<FilterOption>,
    staff: Vec<FilterOption>,
    superuser: Vec<FilterOption>,
    from: FieldView,
    until: FieldView,
    sort: String,
    by_username: SortLink,
    by_joined: SortLink,
    by_seen: SortLink,
    is_searched: bool,
    rows: Vec<User>,
    pages: PageLinks,
    export: String,
}

/// `GET /admin/users/`
pub(super) async fn list(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, NAME);
    let listing = listing(&query)?;
    let request = query.request(|key| UserPlace::parse(key, &listing))?;
    let caller = &visit.caller.user;
    let page = staff_users::list(&app, caller, &listing, request, ListQuery::SIZE).await?;
    Ok(render(&UsersPage {
        frame: visit.frame("Users", NavSection::Users),
        search: text_field(&query, "q", "Name, e-mail or id"),
        active: query.options("active", YES_NO),
        staff: query.options("staff", YES_NO),
        superuser: query.options("superuser", YES_NO),
        from: text_field(&query, "from", "Joined from"),
        until: text_field(&query, "until", "Joined until"),
        sort: query.filter("sort").to_owned(),
        by_username: query.sort_link("Username", "username", false),
        by_joined: query.sort_link("Joined", "joined", true),
        by_seen: query.sort_link("Last seen", "seen", false),
        is_searched: listing.search.is_some(),
        pages: query.links(&page, UserPlace::to_text),
        rows: page.rows,
        export: query.path_of("/admin/users/export/"),
    })?)
}

/// `POST /admin/users/export/`, with the filters in the query.
pub(super) async fn export(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, NAME);
    let listing = Arc::new(listing(&query)?);
    let caller = Arc::new(visit.caller.user.clone());
    let filters = set_filters(&query, FILTERS);
    audit::exported(&app, &caller, AuditAction::ExportUsers, filters).await?;
    let head = [
        "id",
        "username",
        "email",
        "first_name",
        "last_name",
        "is_active",
        "is_staff",
        "is_superuser",
        "date_joined",
        "last_seen",
    ];
    let read = move |request| {
        let (app, caller, listing) = (Arc::clone(&app), Arc::clone(&caller), Arc::clone(&listing));
        async move { staff_users::list(&app, &caller, &listing, request, csv::ROWS).await }
    };
    Ok(csv::export("users", &head, read, |user: &User| {
        vec![
            user.id.to_string(),
            user.username.clone(),
            user.email.clone(),
            user.first_name.clone(),
            user.last_name.clone(),
            user.is_active.to_string(),
            user.is_staff.to_string(),
            user.is_superuser.to_string(),
            user.date_joined.to_string(),
            user.last_seen.map(|time| time.to_string()).unwrap_or_default(),
        ]
    })?)
}

/// `POST /admin/users/deactivate/`: asks first, then deactivates the users that are named.
pub(super) async fn deactivate(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    const WRONG: &str = "Select the users to deactivate.";
    let ids: Vec<_> = visit.form.all("user").map(|id| id.parse().map(UserId)).collect();
    let ids: Vec<_> =
        ids.into_iter().collect::<Result<_, _>>().map_err(|_| Error::field("user", WRONG))?;
    if ids.is_empty() {
        return Err(Error::field("user", WRONG).into());
    }
    if visit.form.text("confirmed") == "yes" {
        let done = staff_users::set_active(&app, &visit.caller.user, &ids, false).await?;
        let message = match &done {
            staff_users::Acted::Done(1) => "One user was deactivated.".to_owned(),
            staff_users::Acted::Done(count) => format!("{count} users were deactivated."),
            staff_users::Acted::Refused(_) => String::new(),
        };
        return acted(&visit, done, LIST, &message);
    }
    let users = staff_users::named(&app, &visit.caller.user, &ids).await?;
    let names: Vec<_> = users.iter().map(|user| user.username.as_str()).collect();
    let mut fields: Vec<_> = ids.iter().map(|id| ("user", id.to_string())).collect();
    fields.push(("confirmed", "yes".to_owned()));
    let page = ConfirmPage {
        frame: visit.frame("Deactivate these users?", NavSection::Users),
        texts: vec![
            names.join(", "),
            "They are logged out at once, and cannot log in until they are activated again."
                .to_owned(),
        ],
        action: "/admin/users/deactivate/",
        fields,
        button: "Deactivate them",
        back: LIST,
    };
    page.show()
}

fn listing(query: &ListQuery) -> Result<UserListing> {
    let order = choice(query, "sort", &UserOrder::ALL, UserOrder::as_str)?;
    Ok(UserListing {
        search: Some(query.filter("q").to_owned()).filter(|text| !text.is_empty()),
        active: flag(query, "active")?,
        staff: flag(query, "staff")?,
        superuser: flag(query, "superuser")?,
        joined_from: day(query, "from")?,
        joined_until: end_of_day(query, "until")?,
        order: order.unwrap_or_default(),
    })
}
