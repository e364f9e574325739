//! Concurrent calls: the outcome is always one that the calls could have had one after the other. Many
//! rounds each; on PostgreSQL the two calls go to different nodes.

use futures_util::future::{join, join_all};
use rstest::rstest;
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Answer, Backend, Client, PASSWORD, Socket, TestApp};

const ROUNDS: usize = 20;
/// Fewer if each round needs a new account, which takes time.
const FEW_ROUNDS: usize = 6;
const CHATS: &str = "/api/chats/";

/// A database and its nodes: one if it is embedded.
struct Site {
    server: TestApp,
    second: Option<TestApp>,
}

impl Site {
    async fn start(backend: Backend) -> Option<Self> {
        let server = TestApp::start(backend).await?;
        let second = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(server.second_node().await),
        };
        Some(Self { server, second })
    }

    async fn user(&self, name: &str) -> Client {
        self.server.user(name).await
    }

    /// The same client on the other node.
    fn elsewhere(&self, client: &Client) -> Client {
        let node = self.second.as_ref().unwrap_or(&self.server);
        Client { base: node.base.clone(), ..client.clone() }
    }
}

/// A group with an owner, an admin and a member.
struct Group {
    id: i64,
}

impl Group {
    async fn of(owner: &Client, admin: &Client, member: &Client) -> Self {
        let id = owner.group(&[admin, member]).await;
        let group = Self { id };
        owner.put(&group.path(admin), json!({"role": "admin"})).await.expect(200);
        group
    }

    fn members(&self) -> String {
        format!("/api/chats/{}/members/", self.id)
    }

    fn path(&self, user: &Client) -> String {
        format!("{}{}/", self.members(), user.id)
    }

    /// Its members as `by` sees them, owner first.
    async fn roles(&self, by: &Client) -> Vec<(i64, String)> {
        let list = by.get(&self.members()).await.expect(200);
        let role = |row: &Value| {
            let role = row["role"].as_str().expect("a role").to_owned();
            (row["user"]["id"].as_i64().expect("an id"), role)
        };
        list.results().iter().map(role).collect()
    }

    async fn version(&self, by: &Client) -> i64 {
        let chat = by.get(&format!("/api/chats/{}/", self.id)).await.expect(200);
        chat.json["version"].as_i64().expect("a version")
    }
}

fn statuses(one: &Answer, other: &Answer) -> (u16, u16) {
    (one.status.as_u16(), other.status.as_u16())
}

/// The client with the pair of this answer.
#[track_caller]
fn renewed(client: &Client, answer: Answer) -> Client {
    let pair = answer.expect(200).json;
    let token = |name: &str| pair[name].as_str().expect("a token").to_owned();
    Client { access: token("access"), refresh: token("refresh"), ..client.clone() }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_refreshes_end_with_one_usable_session(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let mut tom = site.user("tom").await;
    for _ in 0..ROUNDS {
        let there = site.elsewhere(&tom);
        let (one, other) = join(tom.spend(&tom.refresh), there.spend(&tom.refresh)).await;
        let (one, other) = (renewed(&tom, one), renewed(&tom, other));
        assert_eq!(one.refresh, other.refresh);
        one.get("/api/auth/me/").await.expect(200);
        other.get("/api/auth/me/").await.expect(200);
        tom = other;
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_token_ends_the_session_also_while_it_is_renewed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    for _ in 0..FEW_ROUNDS {
        let tom = site.user("tom").await;
        let next = renewed(&tom, tom.spend(&tom.refresh).await);
        for node in [Some(&site.server), site.second.as_ref()].into_iter().flatten() {
            node.app.clock.advance(Duration::from_secs(11));
        }
        let thief = site.elsewhere(&tom);
        let (stolen, own) = join(thief.spend(&tom.refresh), next.spend(&next.refresh)).await;
        stolen.expect_bad_token();
        match own.status.as_u16() {
            200 => renewed(&next, own).get("/api/auth/me/").await.expect_bad_token(),
            _ => own.expect_bad_token(),
        };
        next.get("/api/auth/me/").await.expect_bad_token();
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_race_for_a_name_one_gets_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let here = site.server.anonymous();
    let there = site.elsewhere(&here);
    for round in 0..FEW_ROUNDS {
        let body = |name: String| json!({"username": name, "password": PASSWORD});
        let (one, other) = join(
            here.post("/api/auth/register/", body(format!("tom{round}"))),
            there.post("/api/auth/register/", body(format!("TOM{round}"))),
        )
        .await;
        let (winner, loser) = if one.status == 201 { (one, other) } else { (other, one) };
        winner.expect(201);
        loser.expect_fault("username", "A user with that username already exists.");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_chat_is_one_also_when_both_ask_at_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let (tom, kitty) = (site.user("tom").await, site.user("kitty").await);
    let there = site.elsewhere(&kitty);
    for _ in 0..ROUNDS {
        let ask = |other: i64| json!({"type": "private", "members": [other]});
        let (one, other) =
            join(tom.post(CHATS, ask(kitty.id)), there.post(CHATS, ask(tom.id))).await;
        assert_eq!(one.json["id"], other.json["id"], "{one:?} {other:?}");
        assert!([(200, 201), (201, 200)].contains(&statuses(&one, &other)), "{one:?} {other:?}");
        let path = format!("/api/chats/{}/", one.json["id"]);
        let (one, other) = join(tom.delete(&path), there.delete(&path)).await;
        let ended = statuses(&one, &other);
        assert!([(204, 404), (404, 204)].contains(&ended), "{one:?} {other:?}");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_copies_that_race_one_is_sent(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let (tom, kitty) = (site.user("tom").await, site.user("kitty").await);
    let there = site.elsewhere(&tom);
    let chat = tom.private_chat(&kitty).await;
    let path = format!("/api/chats/{chat}/messages/");
    for round in 1..=ROUNDS {
        let body = json!({"content": "meow", "client_id": round.to_string()});
        let copies = (0..10).map(|n| [&tom, &there][n % 2].post(&path, body.clone()));
        let answers = join_all(copies).await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(201), count(200)), (1, 9), "{answers:?}");
        assert!(answers.iter().all(|answer| answer.json == answers[0].json), "{answers:?}");
        assert_eq!(answers[0].json["seq"], round);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leave_that_races_a_send_is_before_it_or_after(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let (owner, member) = (site.user("owner").await, site.user("member").await);
    let group = Group::of(&owner, &site.user("admin").await, &member).await;
    let say = format!("/api/chats/{}/messages/", group.id);
    let mut socket = Socket::open(&owner).await;
    for _ in 0..ROUNDS {
        // On one node, since the test checks the order of events.
        let sent = member.post(&say, json!({"content": "bye"}));
        let (sent, left) = join(sent, member.delete(&group.path(&member))).await;
        left.expect(204);
        let first = socket.next().await;
        match sent.status.as_u16() {
            201 => {
                assert_eq!(first["message"], sent.json);
                assert_eq!(socket.next().await["type"], "member.left");
            }
            404 => assert_eq!(first["type"], "member.left"),
            _ => panic!("{sent:?}"),
        }
        owner.post(&group.members(), json!({"user": member.id})).await.expect(201);
        assert_eq!(socket.next().await["type"], "member.joined");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_role_that_races_a_removal_is_before_it_or_comes_too_late(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let (owner, admin, member) =
        (site.user("owner").await, site.user("admin").await, site.user("member").await);
    let group = Group::of(&owner, &admin, &member).await;
    let there = site.elsewhere(&admin);
    let path = group.path(&member);
    for _ in 0..ROUNDS {
        let give = owner.put(&path, json!({"role": "admin"}));
        let (given, removed) = join(give, there.delete(&path)).await;
        match statuses(&given, &removed) {
            // Admins cannot remove admins.
            (200, 403) => owner.delete(&path).await.expect(204),
            (404, 204) => removed,
            other => panic!("{other:?}"),
        };
        assert!(!group.roles(&owner).await.iter().any(|(id, _)| *id == member.id));
        owner.post(&group.members(), json!({"user": member.id})).await.expect(201);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hand_overs_one_counts_and_there_is_one_owner(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let (owner, admin, member) =
        (site.user("owner").await, site.user("admin").await, site.user("member").await);
    let there = site.elsewhere(&owner);
    let own = json!({"role": "owner"});
    for _ in 0..ROUNDS {
        let group = Group::of(&owner, &admin, &member).await;
        let before = group.version(&owner).await;
        let (one, other) = join(
            owner.put(&group.path(&admin), own.clone()),
            there.put(&group.path(&member), own.clone()),
        )
        .await;
        let heir = match statuses(&one, &other) {
            (200, 403) => &admin,
            (403, 200) => &member,
            statuses => panic!("{statuses:?}"),
        };
        let roles = group.roles(&owner).await;
        assert_eq!(roles[0], (heir.id, "owner".to_owned()));
        assert!(roles[1..].iter().all(|(_, role)| role != "owner"), "{roles:?}");
        assert!(roles.contains(&(owner.id, "admin".to_owned())), "{roles:?}");
        assert_eq!(group.version(&owner).await, before + 2, "two versions");
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_s_leave_that_races_others_leaves_a_group_with_one_owner_or_none(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let (owner, admin, member) =
        (site.user("owner").await, site.user("admin").await, site.user("member").await);
    let there = site.elsewhere(&owner);
    for _ in 0..ROUNDS {
        // The owner removes the successor meanwhile.
        let group = Group::of(&owner, &admin, &member).await;
        let (own, heir) = (group.path(&owner), group.path(&admin));
        let (left, removed) = join(there.delete(&own), owner.delete(&heir)).await;
        let heirs = match statuses(&left, &removed) {
            (204, 204) => vec![(member.id, "owner")],
            (204, 404) => vec![(admin.id, "owner"), (member.id, "member")],
            statuses => panic!("{statuses:?}"),
        };
        let roles = group.roles(&member).await;
        assert!(roles.iter().map(|(id, role)| (*id, role.as_str())).eq(heirs), "{roles:?}");

        // The successor leaves meanwhile.
        let group = Group::of(&owner, &admin, &member).await;
        let (own, heir) = (group.path(&owner), group.path(&admin));
        let (one, other) = join(there.delete(&own), admin.delete(&heir)).await;
        assert_eq!(statuses(&one, &other), (204, 204));
        assert_eq!(group.roles(&member).await, [(member.id, "owner".to_owned())]);
        let chat = owner.get(&format!("/api/chats/{}/", group.id)).await;
        chat.expect_not_found();

        // The last two members leave.
        let group = Group::of(&owner, &admin, &member).await;
        owner.delete(&group.path(&member)).await.expect(204);
        let (own, heir) = (group.path(&owner), group.path(&admin));
        let (one, other) = join(there.delete(&own), admin.delete(&heir)).await;
        assert_eq!(statuses(&one, &other), (204, 204));
        for client in [&owner, &admin] {
            client.get(&group.members()).await.expect_not_found();
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_added_to_a_group_while_their_account_ends_is_not_left_in_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let owner = site.user("owner").await;
    let group = Group::of(&owner, &site.user("admin").await, &site.user("member").await).await;
    let before = group.roles(&owner).await;
    for _ in 0..FEW_ROUNDS {
        let leaver = site.user("leaver").await;
        let (added, ended) = join(
            site.elsewhere(&owner).post(&group.members(), json!({"user": leaver.id})),
            end(&leaver),
        )
        .await;
        ended.expect(204);
        assert!([201, 400].contains(&added.status.as_u16()), "{added:?}");
        assert_eq!(group.roles(&owner).await, before);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_s_account_that_ends_while_the_heir_s_does_passes_the_group_on(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(site) = Site::start(backend).await else { return };
    let member = site.user("member").await;
    for _ in 0..FEW_ROUNDS {
        let (owner, admin) = (site.user("owner").await, site.user("admin").await);
        let group = Group::of(&owner, &admin, &member).await;
        let (one, other) = join(end(&site.elsewhere(&owner)), end(&admin)).await;
        assert_eq!(statuses(&one, &other), (204, 204), "{one:?} {other:?}");
        assert_eq!(group.roles(&member).await, [(member.id, "owner".to_owned())]);
    }
}

/// Deletes an account.
async fn end(client: &Client) -> Answer {
    let request = client.request(reqwest::Method::DELETE, "/api/auth/me/");
    Answer::of(request.json(&json!({"password": PASSWORD}))).await
}
