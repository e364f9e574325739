//! Ended sessions: their sockets on other nodes are closed within a second with the bus, and within two
//! without it, whichever way a session ends.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::services::bus_url;
use crate::support::{Backend, Client, MailServer, PASSWORD, Socket, TestApp, eventually, tokens};

const NEW: &str = "ten-lives-2027";

/// How a session ends.
#[derive(Clone, Copy, Debug)]
enum Way {
    Logout,
    AnotherDevice,
    AllOtherDevices,
    PasswordChange,
    PasswordReset,
    ReuseOfItsRefreshToken,
    Deactivation,
    EndOfTheAccount,
}

const WAYS: [Way; 8] = [
    Way::Logout,
    Way::AnotherDevice,
    Way::AllOtherDevices,
    Way::PasswordChange,
    Way::PasswordReset,
    Way::ReuseOfItsRefreshToken,
    Way::Deactivation,
    Way::EndOfTheAccount,
];

struct Site {
    nodes: [TestApp; 2],
    mails: MailServer,
    staff: Client,
}

impl Site {
    async fn start(bus: Option<&str>) -> Option<Self> {
        let mails = MailServer::start().await;
        let mut settings = vec![("EMAIL_URL", mails.url.as_str())];
        settings.extend(bus.map(|bus| ("BUS_URL", bus)));
        let one = TestApp::start_with(Backend::Postgres, &settings).await?;
        let nodes = [one.second_node().await, one];
        for node in nodes.iter().filter(|_| bus.is_some()) {
            let look = async || {
                let ready = node.anonymous().get("/readyz").await.expect(200);
                (ready.json["bus"] == "ok").then_some(())
            };
            eventually(Duration::from_secs(10), "NATS is connected", look).await;
        }
        let staff = nodes[0].user("staff").await;
        nodes[0].make_staff(&staff, true).await;
        Some(Self { nodes, mails, staff })
    }

    /// Ends the phone's session on the first node.
    async fn end(&mut self, way: Way, laptop: &Client, phone: &Client) {
        let sessions = "/api/auth/sessions/";
        let answer = match way {
            Way::Logout => phone.post("/api/auth/logout/", json!({})).await,
            Way::AnotherDevice => {
                let id = &tokens::claims(&phone.access)["sid"];
                laptop.delete(&format!("{sessions}{id}/")).await
            }
            Way::AllOtherDevices => laptop.delete(sessions).await,
            Way::PasswordChange => {
                let body = json!({"old_password": PASSWORD, "new_password": NEW});
                laptop.post("/api/auth/password/change/", body).await
            }
            Way::PasswordReset => {
                let email = format!("{}@example.org", laptop.username);
                laptop.patch("/api/auth/me/", json!({"email": email})).await.expect(200);
                laptop.post("/api/auth/password/reset/", json!({"email": email})).await.expect(204);
                let (uid, token) = self.mails.next().await.link();
                let body = json!({"uid": uid, "token": token, "new_password": NEW});
                laptop.post("/api/auth/password/reset/confirm/", body).await
            }
            Way::ReuseOfItsRefreshToken => {
                phone.spend(&phone.refresh).await.expect(200);
                for node in &self.nodes {
                    node.app.clock.advance(Duration::from_secs(11));
                }
                phone.spend(&phone.refresh).await.expect_bad_token();
                return;
            }
            Way::Deactivation => {
                let path = format!("/api/users/{}/", phone.id);
                let answer = self.staff.patch(&path, json!({"is_active": false})).await;
                answer.expect(200);
                return;
            }
            Way::EndOfTheAccount => {
                let body = json!({"password": PASSWORD}).to_string();
                let json = "application/json";
                laptop.raw(reqwest::Method::DELETE, "/api/auth/me/", json, body).await
            }
        };
        answer.expect(204);
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_session_s_sockets_are_closed_on_the_other_node(
    #[values(true, false)] with_bus: bool,
) {
    let bus = bus_url().filter(|_| with_bus);
    let Some(mut site) = Site::start(bus.as_deref()).await else { return };
    let promised = Duration::from_secs(if bus.is_some() { 1 } else { 2 });
    for way in WAYS {
        let laptop = site.nodes[0].user("tom").await;
        let login = laptop.login(&laptop.username, PASSWORD).await.expect(200);
        let phone = laptop.with_session(&login.json);
        let elsewhere = Client { base: site.nodes[1].base.clone(), ..phone.clone() };
        let mut socket = Socket::open(&elsewhere).await;
        site.end(way, &laptop, &phone).await;
        let since = Instant::now();
        let closed = timeout(promised, socket.closed()).await;
        let closed = closed.unwrap_or_else(|_| panic!("{way:?}: open after {promised:?}"));
        assert_eq!(closed.0, 4001, "{way:?} after {:?}", since.elapsed());
        elsewhere.get("/api/auth/me/").await.expect_bad_token();
        elsewhere.spend(&phone.refresh).await.expect_bad_token();
    }
}
