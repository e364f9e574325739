//! What the tests of the admin site's lists and forms share.

use meowsenger::store::Target;
use serde_json::Value;

use crate::support::{Answer, TestApp};

/// The rows of the audit table without logins: actor, action, target and detail.
pub async fn audited(server: &TestApp) -> Vec<(i64, String, i64, Value)> {
    let rows: Vec<(i64, String, i64, String)> = Target::from(&server.app.db)
        .query(
            "select actor_id, action, target_id, detail from audit \
                where action <> 'admin.login' order by id",
        )
        .all()
        .await
        .expect("read");
    let read = |detail: String| serde_json::from_str(&detail).expect("JSON");
    rows.into_iter().map(|(who, what, whom, detail)| (who, what, whom, read(detail))).collect()
}

/// The link to a neighbouring page.
pub fn link(page: &Answer, rel: &str) -> Option<String> {
    let (before, _) = page.text.split_once(&format!("\" rel=\"{rel}\""))?;
    let (_, path) = before.rsplit_once("href=\"")?;
    Some(path.replace("&#38;", "&"))
}

/// The ids of the rows, which link to their pages.
pub fn ids(page: &Answer, area: &str) -> Vec<i64> {
    let start = format!("<a href=\"/admin/{area}/");
    let links = page.text.split(&start).skip(1);
    links.filter_map(|rest| rest.split_once("/\"")?.0.parse().ok()).collect()
}
