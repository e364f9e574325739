//! Chats: facts and members, never contents, and their deletion.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::actions::members::MemberCursor;
use crate::actions::{audit, staff_chats};
use crate::app::App;
use crate::domain::audit::AuditAction;
use crate::domain::chat::{ChatType, Member};
use crate::domain::error::Error;
use crate::domain::ids::ChatId;
use crate::domain::staff_chats::{ChatFacts, ChatListing, ChatOrder, ChatPlace};

use super::confirm::ConfirmPage;
use super::errors::Result;
use super::forms::FieldView;
use super::inputs::{choice, filters as set_filters, text_field};
use super::lists::{FilterOption, ListQuery, PageLinks, SortLink};
use super::pages::{NavSection, PageFrame, render};
use super::visit::Visit;
use super::{csv, filters};

pub(super) const LIST: &str = "/admin/chats/";
const NAME: &str = "chats";
const TYPES: &[(&str, &str)] = &[("", "Any"), ("private", "Private"), ("group", "Group")];

#[derive(Template)]
#[template(path = "admin/chats.html")]
struct ChatsPage {
    frame: PageFrame,
    search: FieldView,
    types: Vec<FilterOption>,
    sort: String,
    by_age: SortLink,
    by_activity: SortLink,
    by_members: SortLink,
    is_searched: bool,
    rows: Vec<ChatFacts>,
    pages: PageLinks,
    export: String,
}

#[derive(Template)]
#[template(path = "admin/chat.html")]
struct ChatPage {
    frame: PageFrame,
    chat: ChatFacts,
    members: Vec<Member>,
    pages: PageLinks,
}

/// `GET /admin/chats/`
pub(super) async fn list(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, NAME);
    let listing = listing(&query)?;
    let request = query.request(|key| ChatPlace::parse(key, &listing))?;
    let caller = &visit.caller.user;
    let page = staff_chats::list(&app, caller, &listing, request, ListQuery::SIZE).await?;
    Ok(render(&ChatsPage {
        frame: visit.frame("Chats", NavSection::Chats),
        search: text_field(&query, "q", "Id, or beginning of a group's name"),
        types: query.options("type", TYPES),
        sort: query.filter("sort").to_owned(),
        by_age: query.sort_link("Made", "newest", true),
        by_activity: query.sort_link("Newest message", "activity", false),
        by_members: query.sort_link("Members", "members", false),
        is_searched: listing.search.is_some(),
        pages: query.links(&page, ChatPlace::to_text),
        rows: page.rows,
        export: query.path_of("/admin/chats/export/"),
    })?)
}

/// `POST /admin/chats/export/`, with the filters in the query.
pub(super) async fn export(State(app): State<Arc<App>>, visit: Visit) -> Result<Response> {
    let query = ListQuery::of(&visit, NAME);
    let listing = Arc::new(listing(&query)?);
    let caller = Arc::new(visit.caller.user.clone());
    let filters = set_filters(&query, &["q", "type", "sort"]);
    audit::exported(&app, &caller, AuditAction::ExportChats, filters).await?;
    let head = [
        "id",
        "type",
        "name",
        "created_at",
        "created_by",
        "members",
        "messages",
        "newest_message_at",
    ];
    let read = move |request| {
        let (app, caller, listing) = (Arc::clone(&app), Arc::clone(&caller), Arc::clone(&listing));
        async move { staff_chats::list(&app, &caller, &listing, request, csv::ROWS).await }
    };
    Ok(csv::export("chats", &head, read, |chat: &ChatFacts| {
        vec![
            chat.id.to_string(),
            chat.kind.as_str().to_owned(),
            chat.title(),
            chat.created_at.to_string(),
            chat.created_by.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
            chat.members_count.to_string(),
            chat.messages.to_string(),
            chat.active_at.map(|time| time.to_string()).unwrap_or_default(),
        ]
    })?)
}

/// `GET /admin/chats/{id}/`
pub(super) async fn one(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response> {
    let (id, caller) = (read_id(&id)?, &visit.caller.user);
    let chat = staff_chats::one(&app, caller, id).await?;
    let query = ListQuery::of(&visit, "members of a chat");
    let request = query.request(MemberCursor::parse)?;
    let page = staff_chats::members(&app, caller, id, request, ListQuery::SIZE).await?;
    Ok(render(&ChatPage {
        frame: visit.frame(&format!("Chat {id}"), NavSection::Chats),
        pages: query.links(&page, MemberCursor::to_text),
        members: page.rows,
        chat,
    })?)
}

/// `GET /admin/chats/{id}/delete/`
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response> {
    let chat = staff_chats::one(&app, &visit.caller.user, read_id(&id)?).await?;
    let id = chat.id;
    let back = format!("{LIST}{id}/");
    let count = chat.members_count;
    let page = ConfirmPage {
        frame: visit.frame(&format!("Delete chat {id}?"), NavSection::Chats),
        texts: vec![
            chat.title(),
            format!(
                "The chat and its messages are deleted for all {count} members. This cannot be undone."
            ),
        ],
        action: &format!("{back}delete/"),
        fields: Vec::new(),
        button: "Delete the chat",
        back: &back,
    };
    page.show()
}

/// `POST /admin/chats/{id}/delete/`
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response> {
    let id = read_id(&id)?;
    staff_chats::delete(&app, &visit.caller.user, id).await?;
    Ok(visit.done(LIST, &format!("Chat {id} was deleted."))?)
}

fn listing(query: &ListQuery) -> Result<ChatListing> {
    let order = choice(query, "sort", &ChatOrder::ALL, ChatOrder::as_str)?;
    Ok(ChatListing {
        kind: choice(query, "type", &[ChatType::Private, ChatType::Group], ChatType::as_str)?,
        search: Some(query.filter("q").to_owned()).filter(|text| !text.is_empty()),
        order: order.unwrap_or_default(),
    })
}

fn read_id(text: &str) -> Result<ChatId> {
    Ok(text.parse().map(ChatId).map_err(|_| Error::NotFound)?)
}
