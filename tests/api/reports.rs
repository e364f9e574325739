//! Reports to the staff: with a copy of the message, for staff alone, and audited.

use meowsenger::store::Target;
use rstest::rstest;
use serde_json::{Value, json};

use crate::attachments;
use crate::support::{Backend, Client, PASSWORD, TestApp};

const REPORTS: &str = "/api/reports/";

async fn report(by: &Client, body: Value) -> Value {
    by.post(REPORTS, body).await.expect(201).json
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_keeps_the_message_as_it_was(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, staff) =
        (server.user("tom").await, server.user("kitty").await, server.user("staff").await);
    server.make_staff(&staff, false).await;
    let chat = tom.group(&[&kitty]).await;
    let message = tom.say(chat, " <b>Hiss!</b>\n").await;
    let body = json!({
        "message": message["id"], "reason": "abuse", "text": " Again. ", "status": "resolved",
    });
    let made = report(&kitty, body).await;
    let user_ref = |user: &Client| {
        json!({
            "id": user.id, "username": user.username, "first_name": "", "last_name": "", "avatar": null,
        })
    };
    let expected = json!({
        "id": made["id"], "reporter": user_ref(&kitty), "user": user_ref(&tom),
        "message": message["id"], "reason": "abuse", "text": "Again.", "status": "open", "note": "",
        "copy": {
            "content": " <b>Hiss!</b>\n", "timestamp": message["timestamp"], "edited_at": null,
            "attachments": [],
        },
        "created_at": made["created_at"], "handled_by": null, "handled_at": null,
    });
    assert_eq!(made, expected);
    // Neither an edit nor the deletion changes it, and not the end of the author's account.
    let path = format!("/api/messages/{}/", message["id"]);
    tom.patch(&path, json!({"content": "Purr."})).await.expect(200);
    let second = report(&kitty, json!({"message": message["id"], "reason": "other"})).await;
    assert_eq!(second["copy"]["content"], "Purr.");
    assert!(second["copy"]["edited_at"].is_string());
    tom.delete(&path).await.expect(204);
    // The files go with the message; their names stay.
    let file = attachments::upload(&tom, "hiss.txt", b"Hiss!").await["id"].clone();
    let body = json!({"content": "", "attachments": [file]});
    let sent = tom.post(&format!("/api/chats/{chat}/messages/"), body).await.expect(201).json;
    let third = report(&kitty, json!({"message": sent["id"], "reason": "abuse"})).await;
    assert_eq!(third["copy"]["attachments"], json!(["hiss.txt"]));
    let about = report(&kitty, json!({"user": tom.id, "message": null, "reason": "spam"})).await;
    assert_eq!((&about["message"], &about["copy"]), (&json!(null), &json!(null)));
    let request = tom.request(reqwest::Method::DELETE, "/api/auth/me/");
    let request = request.json(&json!({"password": PASSWORD}));
    crate::support::Answer::of(request).await.expect(204);
    let listed = staff.get(REPORTS).await.expect(200);
    let ids = [&about, &third, &second, &made].map(|one| one["id"].clone());
    assert_eq!(listed.column("id"), ids);
    let kept = &listed.results()[3];
    assert_eq!(kept["copy"], made["copy"]);
    assert_eq!(kept["user"]["username"], format!("deleted_{}", tom.id));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_may_not_see_cannot_be_reported(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) =
        TestApp::start_with(backend, &[("THROTTLE", "on"), ("THROTTLE_REPORTS", "2/hour")]).await
    else {
        return;
    };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let message = tom.say(tom.group(&[]).await, "secret").await["id"].clone();
    let chat = tom.group(&[&kitty]).await;
    let gone = tom.say(chat, "meow").await["id"].clone();
    tom.delete(&format!("/api/messages/{gone}/")).await.expect(204);
    let own = kitty.say(chat, "meow").await["id"].clone();
    let no_such = |id: &Value| json!([format!("Invalid pk \"{id}\" - object does not exist.")]);
    let either = json!(["Report either a message or a user."]);
    for (body, errors) in [
        (json!({}), json!({"reason": ["This field is required."], "non_field_errors": either})),
        (
            json!({"message": own, "user": tom.id, "reason": "spam"}),
            json!({"non_field_errors": either}),
        ),
        (json!({"message": message, "reason": "spam"}), json!({"message": no_such(&message)})),
        (json!({"message": gone, "reason": "spam"}), json!({"message": no_such(&gone)})),
        (json!({"user": 999_999, "reason": "spam"}), json!({"user": no_such(&json!(999_999))})),
        (
            json!({"user": kitty.id, "reason": "spam"}),
            json!({"user": ["You cannot report yourself."]}),
        ),
        (
            json!({"message": own, "reason": "dull", "text": "x".repeat(1_001)}),
            json!({
                "message": ["You cannot report yourself."],
                "reason": ["\"dull\" is not a valid choice."],
                "text": ["Ensure this field has no more than 1000 characters."],
            }),
        ),
        (
            json!({"message": "x", "reason": "spam"}),
            json!({"message": ["Incorrect type. Expected pk value, received str."]}),
        ),
    ] {
        kitty.post(REPORTS, body.clone()).await.expect_body(400, errors);
    }
    // Only what is stored counts for the limit.
    let body = json!({"user": tom.id, "reason": "illegal", "text": "x".repeat(1_000)});
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(kitty.post(REPORTS, body.clone()).await.status.as_u16());
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 429, 429]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_handle_reports_and_the_audit_table_records_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, staff) =
        (server.user("tom").await, server.user("kitty").await, server.user("staff").await);
    server.make_staff(&staff, false).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(report(&kitty, json!({"user": tom.id, "reason": "spam"})).await["id"].clone());
    }
    let path = format!("{REPORTS}{}/", ids[1]);
    let denied = "You do not have permission to perform this action.";
    for client in [&tom, &kitty] {
        client.get(&format!("{REPORTS}?status=perhaps")).await.expect_detail(403, denied);
        client.patch(&path, json!({"status": "perhaps"})).await.expect_detail(403, denied);
    }
    let change = json!({"status": "resolved", "note": "Warned.", "text": "changed"});
    let handled = staff.patch(&path, change.clone()).await.expect(200).json;
    assert_eq!((&handled["status"], &handled["note"]), (&json!("resolved"), &json!("Warned.")));
    assert_eq!((&handled["handled_by"], &handled["text"]), (&json!(staff.id), &json!("")));
    // The same again changes nothing.
    assert_eq!(staff.patch(&path, change).await.expect(200).json, handled);
    staff.patch(&path, json!({})).await.expect(200);
    staff.patch(&path, json!({"note": ""})).await.expect(200);
    let audit: Vec<(String, i64, String)> = Target::from(&server.app.db)
        .query("select action, target_id, detail from audit order by id")
        .all()
        .await
        .expect("read");
    let id = ids[1].as_i64().expect("an id");
    let row = |detail: &str| ("report.update".to_owned(), id, detail.to_owned());
    let rows = [
        row(
            r#"{"note":{"after":"Warned.","before":""},"status":{"after":"resolved","before":"open"}}"#,
        ),
        row(
            r#"{"note":{"after":"","before":"Warned."},"status":{"after":"resolved","before":"resolved"}}"#,
        ),
    ];
    assert_eq!(audit, rows);

    for (query, expected) in [
        ("", vec![&ids[2], &ids[1], &ids[0]]),
        ("?status=open", vec![&ids[2], &ids[0]]),
        ("?status=resolved", vec![&ids[1]]),
        ("?status=dismissed", vec![]),
    ] {
        let listed = staff.get(&format!("{REPORTS}{query}")).await.expect(200);
        assert_eq!(listed.column("id").iter().collect::<Vec<_>>(), expected, "{query}");
    }
    let page = staff.get(&format!("{REPORTS}?status=open&page_size=1")).await.expect(200);
    let next = staff.get(page.json["next"].as_str().expect("more")).await.expect(200);
    assert_eq!(next.column("id"), [ids[0].clone()]);
    let back = staff.get(next.json["previous"].as_str().expect("a page before")).await;
    assert_eq!(back.column("id"), [ids[2].clone()]);
    let choice = "Select a valid choice. new is not one of the available choices.";
    staff.get(&format!("{REPORTS}?status=new")).await.expect_fault("status", choice);
    let wrong = json!({"status": "new", "note": "x".repeat(1_001)});
    let errors = json!({
        "status": ["\"new\" is not a valid choice."],
        "note": ["Ensure this field has no more than 1000 characters."],
    });
    staff.patch(&path, wrong).await.expect_body(400, errors);
    staff.patch(&format!("{REPORTS}999999/"), json!({"status": "open"})).await.expect_not_found();
}
