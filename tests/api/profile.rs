//! Updates of accounts: by their owners, by staff, and by nobody else.

use futures_util::future::join;
use meowsenger::store::Target;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Backend, Client, PASSWORD, Socket, TestApp};

const ME: &str = "/api/auth/me/";
const FORBIDDEN: &str = "You do not have permission to perform this action.";
const NAME_TAKEN: &str = "A user with that username already exists.";
const EMAIL_TAKEN: &str = "This field must be unique.";

fn path_of(user: &Client) -> String {
    format!("/api/users/{}/", user.id)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_and_patch_change_what_is_sent_and_keep_the_rest(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let before = tom.get(ME).await.expect(200).json;
    let all = json!({
        "username": "Thomas", "email": "Tom@Example.com", "first_name": " Tom ",
        "last_name": "O'Cat", "status_text": " napping ", "availability": "busy",
    });
    let mut expected = before.clone();
    for (name, value) in all.as_object().expect("an object") {
        expected[name] = json!(value.as_str().expect("a text").trim());
    }
    expected["email"] = json!("Tom@example.com");
    tom.put(ME, all).await.expect_body(200, expected.clone());
    tom.get(ME).await.expect_body(200, expected.clone());

    // PUT requires the username and keeps missing fields; PATCH requires nothing.
    for path in [ME.to_owned(), path_of(&tom)] {
        tom.put(&path, json!({})).await.expect_fault("username", "This field is required.");
        let answer = tom.put(&path, json!({"username": "Thomas"})).await;
        answer.expect_body(200, expected.clone());
        tom.patch(&path, json!({})).await.expect_body(200, expected.clone());
    }
    expected["last_name"] = json!("");
    let answer = tom.patch(&path_of(&tom), json!({"last_name": ""})).await;
    answer.expect_body(200, expected.clone());

    // Others see the change, and no more fields than before.
    let seen = kitty.get(&path_of(&tom)).await.expect(200).json;
    assert_eq!((&seen["username"], &seen["status_text"]), (&json!("Thomas"), &json!("napping")));
    assert!(seen.get("email").is_none(), "{seen}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_said_or_is_not_known_is_ignored(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let before = tom.get(ME).await.expect(200).json;
    let body = json!({
        "username": tom.username, "id": 99, "is_active": false, "is_staff": true,
        "is_superuser": true, "password": "meow", "date_joined": "2000-01-01T00:00:00Z",
        "last_seen": "2000-01-01T00:00:00Z", "surprise": {"a": [1]},
    });
    tom.put(ME, body.clone()).await.expect_body(200, before.clone());
    tom.patch(&path_of(&tom), body).await.expect_body(200, before.clone());
    // Even if the value is invalid.
    let body = json!({"is_active": "meow", "is_staff": null, "last_seen": 5});
    tom.patch(ME, body).await.expect_body(200, before);
    server.anonymous().login(&tom.username, PASSWORD).await.expect(200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_a_profile_are_reported_in_drfs_words(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let tom = server.user("tom").await;
    let longest = json!({
        "first_name": "é".repeat(150), "last_name": "🐈".repeat(150),
        "status_text": "猫".repeat(140), "username": "я".repeat(150),
    });
    let changed = tom.patch(ME, longest.clone()).await.expect(200).json;
    for (name, value) in longest.as_object().expect("an object") {
        assert_eq!(changed[name], *value);
    }
    let long = |max: usize| format!("Ensure this field has no more than {max} characters.");
    let bad_name = "Enter a valid username. This value may contain only letters, numbers, and \
                    @/./+/-/_ characters.";
    let faults = [
        ("username", json!("a".repeat(151)), long(150)),
        ("first_name", json!("a".repeat(151)), long(150)),
        ("last_name", json!("a".repeat(151)), long(150)),
        ("status_text", json!("a".repeat(141)), long(140)),
        ("username", json!(""), "This field may not be blank.".to_owned()),
        ("username", json!(null), "This field may not be null.".to_owned()),
        ("username", json!(5), "Not a valid string.".to_owned()),
        ("username", json!("two words"), bad_name.to_owned()),
        ("email", json!("meow"), "Enter a valid email address.".to_owned()),
        ("email", json!(null), "This field may not be null.".to_owned()),
        ("first_name", json!(null), "This field may not be null.".to_owned()),
        ("status_text", json!("\0"), "Null characters are not allowed.".to_owned()),
        ("availability", json!("offline"), "\"offline\" is not a valid choice.".to_owned()),
        ("availability", json!(null), "This field may not be null.".to_owned()),
        ("status", json!("Online"), "\"Online\" is not a valid choice.".to_owned()),
    ];
    for (field, value, text) in faults {
        tom.patch(ME, json!({field: value})).await.expect_fault(field, &text);
    }
    tom.get(ME).await.expect_body(200, changed);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_one_user_s_however_it_is_written(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let anonymous = server.anonymous();
    let tom = anonymous.register("tom@cat.example", PASSWORD).await;
    let kitty = anonymous.register("Kitty", PASSWORD).await;
    kitty.patch(ME, json!({"email": "meow@cat.example"})).await.expect(200);

    for name in ["Kitty", "kITTY", "Ｋｉｔｔｙ", "MEOW@cat.example"] {
        tom.patch(ME, json!({"username": name})).await.expect_fault("username", NAME_TAKEN);
    }
    for email in ["meow@cat.example", "Meow@CAT.example"] {
        tom.patch(ME, json!({"email": email})).await.expect_fault("email", EMAIL_TAKEN);
    }
    // An address that is another user's username.
    let email = json!({"email": "Tom@cat.example"});
    kitty.patch(ME, email.clone()).await.expect_fault("email", EMAIL_TAKEN);

    // The user's own names are available to the user: in another case, and for both fields.
    tom.patch(ME, email).await.expect(200);
    tom.patch(ME, json!({"username": "TOM@cat.example"})).await.expect(200);
    kitty.put(ME, json!({"username": "KITTY"})).await.expect(200);
    let wide = kitty.put(ME, json!({"username": "Ｍｅｏｗ"})).await.expect(200).json;
    assert_eq!(wide["username"], "Meow", "kept in NFKC");

    // The old names become available, also for login.
    anonymous.login("kitty", PASSWORD).await.expect(401);
    kitty.patch(ME, json!({"email": ""})).await.expect(200);
    assert_eq!(kitty.get(ME).await.json["email"], "");
    anonymous.login("meow@cat.example", PASSWORD).await.expect(401);
    tom.patch(ME, json!({"username": "kitty", "email": "meow@cat.example"})).await.expect(200);
    let login = anonymous.login("MEOW@cat.example", PASSWORD).await.expect(200);
    assert_eq!(login.json["user"]["id"], tom.id);
    let login = anonymous.login("meow", PASSWORD).await.expect(200);
    assert_eq!(login.json["user"]["id"], kitty.id);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_name_is_reported_together_with_all_other_errors(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    kitty.patch(ME, json!({"email": "kitty@cat.example"})).await.expect(200);
    let body = json!({
        "username": kitty.username.to_uppercase(), "email": "Kitty@cat.example",
        "first_name": 5, "status": "asleep",
    });
    let faults = json!({
        "username": [NAME_TAKEN], "email": [EMAIL_TAKEN], "first_name": ["Not a valid string."],
        "status": ["\"asleep\" is not a valid choice."],
    });
    tom.put(ME, body).await.expect_body(400, faults);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_want_one_name_one_gets_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    for round in 0..5 {
        let (one, other) = (format!("Prize{round}"), format!("prizE{round}"));
        let (one, other) =
            join(tom.put(ME, json!({"username": one})), kitty.put(ME, json!({"username": other})))
                .await;
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        won.expect(200);
        lost.expect_fault("username", NAME_TAKEN);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn availability_is_what_others_see_and_status_is_its_alias(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty) = (server.user("tom").await, server.user("kitty").await);
    let _socket = Socket::open(&tom).await;
    for (field, chosen, seen) in [
        ("availability", "busy", "busy"),
        ("status", "away", "away"),
        ("availability", "invisible", "offline"),
        ("status", "online", "online"),
    ] {
        let own = tom.patch(ME, json!({field: chosen})).await.expect(200).json;
        assert_eq!((&own["availability"], &own["status"]), (&json!(chosen), &json!(seen)));
        let other = kitty.get(&path_of(&tom)).await.json;
        assert_eq!(other["status"], seen);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_staff_changes_another(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, kitty, gone) =
        (server.user("tom").await, server.user("kitty").await, server.user("gone").await);
    server.deactivate(&gone).await;
    let before = kitty.get(ME).await.json;
    // Permission is checked before the input.
    for body in [json!({"username": "mine"}), json!({"username": ""}), json!([])] {
        tom.put(&path_of(&kitty), body.clone()).await.expect_detail(403, FORBIDDEN);
        tom.patch(&path_of(&kitty), body.clone()).await.expect_detail(403, FORBIDDEN);
        tom.put(&path_of(&gone), body.clone()).await.expect_not_found();
        tom.patch("/api/users/999999/", body).await.expect_not_found();
    }
    kitty.get(ME).await.expect_body(200, before);
    assert_eq!(audit(&server).await, []);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_change_others_but_no_superuser_and_it_is_noted(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, staff, boss) =
        (server.user("tom").await, server.user("staff").await, server.user("boss").await);
    server.make_staff(&staff, false).await;
    server.make_staff(&boss, true).await;

    let changed = staff.patch(&path_of(&tom), json!({"first_name": "Tom"})).await.expect(200).json;
    assert_eq!(changed["first_name"], "Tom");
    assert!(changed.get("email").is_none(), "as others see him: {changed}");
    staff.put(&path_of(&tom), json!({})).await.expect_fault("username", "This field is required.");
    let taken = json!({"username": boss.username});
    staff.put(&path_of(&tom), taken).await.expect_fault("username", NAME_TAKEN);
    let text = "Must be a valid boolean.";
    staff.patch(&path_of(&tom), json!({"is_active": 5})).await.expect_fault("is_active", text);
    staff.patch(&path_of(&boss), json!({"is_active": false})).await.expect_detail(403, FORBIDDEN);
    // Only a superuser grants or revokes staff.
    for body in [json!({"is_staff": true}), json!({"is_staff": "meow"})] {
        staff.patch(&path_of(&tom), body).await.expect(200);
    }
    assert_eq!(tom.get(ME).await.json["is_staff"], false);
    let noted = |actor: &Client| (actor.id, "user.update".to_owned(), tom.id);
    // An update without a change is not recorded.
    assert_eq!(audit(&server).await, [noted(&staff)]);

    boss.patch(&path_of(&tom), json!({"is_staff": true})).await.expect(200);
    assert_eq!(tom.get(ME).await.json["is_staff"], true);
    let name = json!({"last_name": "Cat"});
    boss.patch(&path_of(&staff), name.clone()).await.expect(200);
    assert_eq!(audit(&server).await.len(), 3);
    let change = json!({"email": "tom@example.org", "is_active": false, "first_name": "Tom"});
    staff.patch(&path_of(&tom), change).await.expect(200);
    let details: Vec<_> = details(&server).await;
    let change = |before: Value, after: Value| json!({"before": before, "after": after});
    assert_eq!(
        details,
        [
            json!({"first_name": change(json!(""), json!("Tom"))}),
            json!({"is_staff": change(json!(false), json!(true))}),
            json!({"last_name": change(json!(""), json!("Cat"))}),
            json!({
                "email": change(json!(""), json!("tom@example.org")),
                "is_active": change(json!(true), json!(false)),
            }),
        ]
    );
    // Users' updates of their own accounts are not recorded.
    staff.patch(ME, name).await.expect(200);
    assert_eq!(audit(&server).await.len(), 4);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deactivated_user_is_out_at_once_until_let_in_again(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (tom, staff, kitty) =
        (server.user("tom").await, server.user("staff").await, server.user("kitty").await);
    server.make_staff(&staff, false).await;
    let mut socket = Socket::open(&tom).await;
    let mut other = Socket::open(&kitty).await;
    staff.patch(&path_of(&tom), json!({"is_active": false})).await.expect(200);
    staff.get(&path_of(&tom)).await.expect(200);
    tom.get(ME).await.expect_bad_token();
    assert_eq!(socket.closed().await.0, 4001);
    assert_eq!(other.request(json!({"type": "ping"})).await["type"], "pong");
    tom.spend(&tom.refresh).await.expect_bad_token();
    kitty.get(&path_of(&tom)).await.expect_not_found();
    let text = "No active account found with the given credentials";
    tom.login(&tom.username, PASSWORD).await.expect_detail(401, text);

    staff.patch(&path_of(&tom), json!({"is_active": true})).await.expect(200);
    // The account is active again, but its old sessions are not.
    tom.get(ME).await.expect_bad_token();
    tom.login(&tom.username, PASSWORD).await.expect(200);
    kitty.get(&path_of(&tom)).await.expect(200);
}

/// The changed fields in the audit table, before and after.
async fn details(server: &TestApp) -> Vec<Value> {
    let rows: Vec<(String,)> = Target::from(&server.app.db)
        .query("select detail from audit order by id")
        .all()
        .await
        .expect("read");
    rows.into_iter().map(|(detail,)| serde_json::from_str(&detail).expect("JSON")).collect()
}

/// The actor, action and target in the audit table.
async fn audit(server: &TestApp) -> Vec<(i64, String, i64)> {
    let rows: Vec<(i64, String, i64)> = Target::from(&server.app.db)
        .query("select actor_id, action, target_id from audit order by id")
        .all()
        .await
        .expect("read");
    rows
}
