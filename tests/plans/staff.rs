//! The lists of the admin site, by every filter and in every order.

use std::sync::Arc;

use meowsenger::actions::{audit, reports, staff_chats, staff_users};
use meowsenger::app::App;
use meowsenger::domain::audit::{AuditAction, AuditFilter, AuditTarget};
use meowsenger::domain::chat::ChatType;
use meowsenger::domain::ids::{ChatId, UserId};
use meowsenger::domain::page::PageRequest;
use meowsenger::domain::reports::{ReportFilter, ReportStatus};
use meowsenger::domain::session::Caller;
use meowsenger::domain::staff_chats::{ChatListing, ChatOrder};
use meowsenger::domain::staff_users::{UserListing, UserOrder};
use meowsenger::domain::time::Timestamp;

/// What staff have done, and reports: many of each.
pub(crate) const SITE: [&str; 4] = [
    "insert into audit (at, actor_id, action, target_id, detail) \
     select $1, n % 2 + 1, case n % 3 when 0 then 'user.update' else 'chat.delete' end, n, '{}' from s",
    "insert into reports (reporter_id, user_id, reason, created_at, status) \
     select 1, n, 'spam', $1, case n % 2 when 0 then 'open' else 'resolved' end from s",
    "update chats set search_text = '\n' || lower(name), last_message_id = \
         (select max(m.id) from messages m where m.chat_id = chats.id) \
     where created_at = $1 and exists (select n from s)",
    "update users set is_staff = true where id = 1 and date_joined = $1 and exists (select n from s)",
];

/// A page of each list, then the one after it, and the one before that.
pub(crate) async fn calls(app: &Arc<App>, me: &Caller, size: i64) {
    let staff = &me.user;
    for listing in user_listings() {
        let list = async |request| staff_users::list(app, staff, &listing, request, size).await;
        let page = list(PageRequest::First).await.expect("users");
        assert!(!page.rows.is_empty(), "{listing:?}");
        let Some(next) = page.next else { continue };
        let page = list(PageRequest::After(next)).await.expect("users");
        let Some(previous) = page.previous else { continue };
        list(PageRequest::Before(previous)).await.expect("users");
    }
    let search = Some("kitch".to_owned());
    list_chats(app, me, ChatListing { search, ..ChatListing::default() }, size).await;
    for order in [ChatOrder::Newest, ChatOrder::Members] {
        for kind in [Some(ChatType::Group), None] {
            list_chats(app, me, ChatListing { kind, search: None, order }, size).await;
        }
    }
    staff_chats::members(app, staff, ChatId(2_001), PageRequest::First, size)
        .await
        .expect("members");
    staff_users::sessions(app, staff, UserId(1), PageRequest::First, size).await.expect("sessions");
    for filter in report_filters() {
        let list =
            async |request| reports::list(app, staff, Ok(filter), || Ok(request), size).await;
        let page = list(PageRequest::First).await.expect("reports");
        assert!(!page.rows.is_empty(), "{filter:?}");
        list(PageRequest::Before(0)).await.expect("reports");
    }
    for filter in audit_filters() {
        let list = async |request| audit::list(app, staff, &filter, request, size).await;
        let page = list(PageRequest::First).await.expect("rows");
        assert!(!page.rows.is_empty(), "{filter:?}");
        list(PageRequest::Before((Timestamp::MIN, 0))).await.expect("rows");
    }
}

fn user_listings() -> Vec<UserListing> {
    let mut listings = Vec::new();
    for order in UserOrder::ALL {
        let all = UserListing { order, ..UserListing::default() };
        listings.push(UserListing { active: Some(true), staff: Some(false), ..all.clone() });
        listings.push(UserListing { staff: Some(true), ..all.clone() });
        listings.push(all);
    }
    let from = UserListing { joined_from: Some(Timestamp::MIN), ..UserListing::default() };
    listings.push(UserListing { joined_until: Some(Timestamp::MAX), ..from });
    let search = Some("user1".to_owned());
    listings.push(UserListing { search, active: Some(true), ..UserListing::default() });
    listings
}

/// Reads a bounded number of messages instead of an index.
pub(crate) async fn walks(app: &Arc<App>, me: &Caller, size: i64) {
    for kind in [Some(ChatType::Group), None] {
        let order = ChatOrder::Activity;
        list_chats(app, me, ChatListing { kind, search: None, order }, size).await;
    }
}

async fn list_chats(app: &Arc<App>, me: &Caller, listing: ChatListing, size: i64) {
    let list = async |request| staff_chats::list(app, &me.user, &listing, request, size).await;
    let page = list(PageRequest::First).await.expect("chats");
    assert!(!page.rows.is_empty(), "{listing:?}");
    let Some(next) = page.next else { return };
    let page = list(PageRequest::After(next)).await.expect("chats");
    let Some(previous) = page.previous else { return };
    list(PageRequest::Before(previous)).await.expect("chats");
}

fn report_filters() -> Vec<ReportFilter> {
    let (status, user) = (Some(ReportStatus::Open), Some(UserId(2)));
    let mut filters = Vec::new();
    for oldest_first in [false, true] {
        let one = |status, user| ReportFilter { status, user, oldest_first };
        filters.extend([one(None, None), one(status, None), one(None, user), one(status, user)]);
    }
    filters
}

fn audit_filters() -> Vec<AuditFilter> {
    let (actor, action) = (Some(UserId(1)), Some(AuditAction::ChatDelete));
    let all = AuditFilter { from: Some(Timestamp::MIN), ..AuditFilter::default() };
    let target = Some((AuditTarget::Chat, 2));
    vec![
        all,
        AuditFilter { actor, ..all },
        AuditFilter { action, ..all },
        AuditFilter { actor, action, ..all },
        AuditFilter { target, actor, action, ..all },
    ]
}
