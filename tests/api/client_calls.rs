//! `meowsenger-client` makes every call of the OpenAPI document, and understands the answers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt};
use meowsenger_client::types::{
    Availability, ChatType, Draft, GroupUpdate, NewGroup, NewInvite, ProfileUpdate, Registration,
    ReportReason, ReportStatus, Role, SettingsUpdate, SyncRequest, Upload,
};
use meowsenger_client::{Anchor, Client, Seq, Server, UserId};
use rstest::rstest;
use tokio::net::TcpListener;

use crate::avatars::png;
use crate::support::openapi::{calls, document, operations};
use crate::support::socket::DEADLINE;
use crate::support::{Backend, MailServer, PASSWORD, TestApp, eventually};

/// Documents, which a program reads when it is written.
const DOCUMENTS: &str = "/api/schema/";
const NEW_PASSWORD: &str = "ten-lives-2027";

/// A proxy that notes the method and path of each call.
#[derive(Clone)]
struct Recorder {
    to: String,
    http: reqwest::Client,
    calls: Arc<Mutex<Vec<(String, String)>>>,
}

impl Recorder {
    /// Returns the recorder and its URL.
    async fn start(to: &TestApp) -> (Self, String) {
        let (to, http) = (to.base.clone(), reqwest::Client::new());
        let recorder = Self { to, http, calls: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(forward).with_state(recorder.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        (recorder, url)
    }

    fn calls(&self) -> Vec<(String, String)> {
        self.calls.lock().expect("not poisoned").clone()
    }
}

async fn forward(State(recorder): State<Recorder>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.as_str().to_lowercase(), parts.uri.path().to_owned());
    recorder.calls.lock().expect("not poisoned").push((method, path));
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let url = format!("{}{}", recorder.to, parts.uri);
    let request = recorder.http.request(parts.method, url).headers(parts.headers).body(body);
    let answer = request.send().await.expect("an answer");
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, answer.bytes().await.expect("a body")).into_response()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_makes_every_call_of_the_document(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let mut mails = MailServer::start().await;
    let Some(app) = TestApp::start_with(backend, &[("EMAIL_URL", &mails.url)]).await else {
        return;
    };
    let (recorder, url) = Recorder::start(&app).await;
    let server = Server::new(&url);
    let account = Registration::new("alice", PASSWORD).email("alice@example.org").last_name("Cat");
    let alice = server.register(&account).await.expect("registered");
    let bob = server.register(&Registration::new("bob", PASSWORD)).await.expect("registered");
    account_calls(&alice, &server).await;
    user_calls(&alice, &bob).await;
    chat_calls(&alice, &bob).await;
    message_calls(&alice, &bob).await;
    attachment_calls(&alice, &bob).await;
    server.request_password_reset("alice@example.org").await.expect("asked");
    let (uid, token) = loop {
        let mail = mails.next().await;
        if mail.text.contains("/reset?uid=") {
            break mail.link();
        }
    };
    server.confirm_password_reset(&uid, &token, PASSWORD).await.expect("reset");
    bob.delete_account(PASSWORD).await.expect("deleted");

    let document = document();
    let all: BTreeSet<_> = operations(&document).map(|(path, method, _)| (path, method)).collect();
    let paths: BTreeSet<_> = all.iter().map(|(path, _)| *path).collect();
    let mut made = BTreeSet::new();
    for (method, path) in recorder.calls() {
        let path =
            template(&paths, &path).unwrap_or_else(|| panic!("{method} {path} is not known"));
        made.insert((path, method));
    }
    let is_made = |path: &str, method: &str| {
        // PUT and PATCH do the same, save what PUT requires.
        let either =
            if ["put", "patch"].contains(&method) { &["put", "patch"][..] } else { &[method] };
        either.iter().any(|method| made.contains(&(path, (*method).to_owned())))
    };
    let missing = calls(&document).map(|(path, method, _)| (path, method));
    let missing =
        missing.filter(|(path, method)| !path.starts_with(DOCUMENTS) && !is_made(path, method));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "the client lacks {missing:?}");
}

/// The path of the document that a path belongs to: of several, the one with the fewest parameters.
fn template<'a>(paths: &BTreeSet<&'a str>, path: &str) -> Option<&'a str> {
    let segments: Vec<_> = path.split('/').collect();
    let fits = |template: &&&str| {
        let known: Vec<_> = template.split('/').collect();
        let fits = |(known, segment): (&&str, &&str)| known == segment || known.starts_with('{');
        known.len() == segments.len() && known.iter().zip(&segments).all(fits)
    };
    paths.iter().filter(fits).min_by_key(|path| path.matches('{').count()).copied()
}

async fn account_calls(alice: &Client, server: &Server) {
    let update = ProfileUpdate::new().first_name("Alice").availability(Availability::Busy);
    let me = alice.update_profile(&update).await.expect("updated");
    assert_eq!((me.first_name.as_str(), me.last_name.as_str()), ("Alice", "Cat"));
    assert_eq!(me, alice.me().await.expect("me"));
    let refused = alice.update_profile(&ProfileUpdate::new().username("")).await;
    assert_eq!(refused.expect_err("blank").field("username"), ["This field may not be blank."]);
    let pictured = alice.set_avatar(png(8, 8)).await.expect("set");
    assert!(pictured.avatar.is_some());
    assert_eq!(alice.remove_avatar().await.expect("removed").avatar, None);

    let other = server.log_in("alice@example.org", PASSWORD).await.expect("in");
    let tokens = other.tokens();
    assert!(server.verify(&tokens.access).await.expect("verified"));
    let mut watch = alice.watch_tokens();
    let before = watch.current();
    alice.change_password(PASSWORD, NEW_PASSWORD).await.expect("changed");
    assert_ne!(watch.next().await.expect("tokens"), before);
    assert!(!server.verify(&tokens.access).await.expect("verified"), "another session");
    for _ in 0..2 {
        server.log_in("alice", NEW_PASSWORD).await.expect("in");
    }
    let own = reqwest::Client::builder().user_agent("whiskers/1").build().expect("a client");
    let own = server.clone().with_http_client(own);
    let last = own.log_in("alice", NEW_PASSWORD).await.expect("in");
    let sessions = alice.sessions().page_size(2).collect().await.expect("sessions");
    assert_eq!(sessions.len(), 4);
    assert_eq!(sessions[0].user_agent, "whiskers/1");
    assert!(sessions[1].user_agent.starts_with("meowsenger-client/"), "{sessions:?}");
    alice.end_session(sessions[1].id).await.expect("ended");
    last.log_out().await.expect("logged out");
    alice.end_other_sessions().await.expect("ended");
    assert_eq!(alice.sessions().collect().await.expect("sessions").len(), 1);
    // A refresh, which no other call has needed so far.
    let expired =
        server.resume(meowsenger_client::types::TokenPair::new("x", alice.tokens().refresh));
    let ticket = expired.ws_ticket().await.expect("a ticket");
    assert_eq!(ticket.expires_in, 30);
}

async fn user_calls(alice: &Client, bob: &Client) {
    let (me, other) = (alice.me().await.expect("me"), bob.me().await.expect("me"));
    let names = |users: Vec<meowsenger_client::types::User>| -> Vec<_> {
        users.into_iter().map(|user| user.username).collect()
    };
    let all = alice.users().page_size(1).into_stream().try_collect().await.expect("users");
    assert_eq!(names(all), ["alice", "bob"]);
    let found = alice.search_users("b ob&").collect().await.expect("found");
    assert_eq!(names(found), Vec::<String>::new());
    assert_eq!(names(alice.search_users("bob").collect().await.expect("found")), ["bob"]);
    let named = alice.users_by_id(&[other.id, UserId(999_999)]).collect().await.expect("users");
    assert_eq!(names(named), ["bob"]);
    assert_eq!(alice.user(other.id).await.expect("bob").email, None);
    let update = ProfileUpdate::new().status_text("Asleep");
    assert_eq!(alice.update_user(me.id, &update).await.expect("updated").status_text, "Asleep");
    let pictured = alice.set_user_avatar(me.id, &png(8, 8)[..]).await.expect("set");
    assert!(pictured.avatar.is_some());
    assert_eq!(alice.remove_user_avatar(me.id).await.expect("removed").avatar, None);
}

async fn chat_calls(alice: &Client, bob: &Client) {
    let other = bob.me().await.expect("me").id;
    let private = alice.private_chat(other).await.expect("opened");
    let group = NewGroup::new("Kitchen").description("Cats").members([other]);
    let group = alice.create_group(&group).await.expect("created");
    assert_eq!((group.description.as_str(), group.members_count), ("Cats", 2));
    let update = GroupUpdate::new().name("Cellar").members([]);
    assert_eq!(alice.update_group(group.id, &update).await.expect("updated").members_count, 1);
    let added = alice.add_members(group.id, &[other], Role::Admin).await.expect("added");
    assert_eq!(added[0].role, Role::Admin);
    assert_eq!(
        alice.set_role(group.id, other, Role::Member).await.expect("set").role,
        Role::Member
    );
    assert_eq!(alice.member(group.id, other).await.expect("a member").user.id, other);
    let members = alice.members(group.id).page_size(1).collect().await.expect("members");
    assert_eq!(members.len(), 2);
    let picture = meowsenger_client::types::Picture::stream(png(8, 8));
    assert!(alice.set_chat_avatar(group.id, picture).await.expect("set").avatar.is_some());
    assert_eq!(alice.remove_chat_avatar(group.id).await.expect("removed").avatar, None);
    alice.send(group.id, "meow").await.expect("sent");
    let search = || bob.search_messages("meo").in_chat(group.id).after("2020-01-01T00:00:00Z");
    let found = eventually(DEADLINE, "the message is found", async || {
        search().collect().await.expect("messages").pop()
    });
    let found = found.await;
    assert_eq!((found.message.content.as_str(), found.highlights), ("meow", vec![(0, 4)]));
    for none in [
        search().with_attachments(),
        search().sent_by(other),
        search().before("2020-01-02T00:00:00Z"),
    ] {
        assert_eq!(none.collect().await.expect("messages"), []);
    }
    assert_eq!(bob.unread().await.expect("sums").messages, 1);
    let unread = bob.chats().of_type(ChatType::Group).unread().search("cell");
    let unread = unread.collect().await.expect("chats");
    assert_eq!(unread.iter().map(|chat| chat.id).collect::<Vec<_>>(), [group.id]);
    assert_eq!(bob.mark_read(group.id, Seq(1)).await.expect("read").unread_count, 0);
    assert_eq!(alice.chat(group.id).await.expect("a chat").name, "Cellar");
    let set = SettingsUpdate::new().pinned(true).archived(true).mute();
    let set = bob.update_chat_settings(group.id, &set).await.expect("set");
    assert!(set.pinned && set.archived && set.muted_until.is_some());
    assert_eq!(bob.chat_settings(group.id).await.expect("settings"), set);
    let found = bob.chats().archived(true).pinned().muted().collect().await.expect("chats");
    assert_eq!((found.len(), found[0].settings), (1, set));
    let unmute = SettingsUpdate::new().unmute();
    let unmuted = bob.update_chat_settings(group.id, &unmute).await.expect("set");
    let past = SettingsUpdate::new().mute_until(group.created_at);
    assert_eq!(bob.update_chat_settings(group.id, &past).await.expect("set"), unmuted);
    alice.block(other).await.expect("blocked");
    assert!(alice.chat(private.id).await.expect("a chat").blocked);
    assert_eq!(alice.blocks().collect().await.expect("users")[0].id, other);
    alice.unblock(other).await.expect("unblocked");
    let new = NewInvite::new().max_uses(3).expires_in(std::time::Duration::from_secs(60));
    let invite = alice.create_invite(group.id, &new).await.expect("created");
    assert_eq!(bob.invite(&invite.code).await.expect("an invite").chat.name, "Cellar");
    assert_eq!(bob.accept_invite(&invite.code).await.expect("accepted").id, group.id);
    assert_eq!(alice.invites(group.id).collect().await.expect("invites")[0].uses, 0);
    alice.revoke_invite(group.id, &invite.code).await.expect("revoked");
    let report = bob.report_user(alice.me().await.expect("me").id, ReportReason::Other, "dull");
    let report = report.await.expect("reported");
    // For staff, which nobody is here.
    assert!(bob.reports().collect().await.is_err());
    assert!(bob.handle_report(report.id, ReportStatus::Resolved, "").await.is_err());
    alice.remove_member(group.id, other).await.expect("removed");
    alice.delete_chat(group.id).await.expect("deleted");
    assert_eq!(alice.chats().collect().await.expect("chats")[0].id, private.id);
}

async fn attachment_calls(alice: &Client, bob: &Client) {
    let chat = alice.private_chat(bob.me().await.expect("me").id).await.expect("opened").id;
    let pieces =
        futures_util::stream::iter([b"me", b"ow"]).map(|piece| Ok(piece.as_slice().into()));
    let text = alice.upload(Upload::stream("a \"b\".txt", pieces)).await.expect("uploaded");
    assert_eq!(
        (text.name.as_str(), text.size, text.content_type.as_str()),
        ("a \"b\".txt", 4, "text/plain")
    );
    let image = alice.upload(Upload::new("cat.png", png(8, 8))).await.expect("uploaded");
    assert_eq!((image.width, image.height, image.has_thumbnail), (Some(8), Some(8), true));
    let unsent = alice.upload(Upload::new("c", "x")).await.expect("uploaded");
    alice.delete_attachment(unsent.id).await.expect("deleted");
    let draft = Draft::default().attachments([image.id, text.id]);
    let sent = alice.send(chat, draft).await.expect("sent");
    assert_eq!(sent.attachments, [image.clone(), text.clone()]);
    let read = async |answer: reqwest::Response| answer.bytes().await.expect("a body");
    assert_eq!(read(bob.download(text.id).await.expect("found")).await, "meow");
    assert!(!read(bob.thumbnail(image.id).await.expect("found")).await.is_empty());
    assert!(bob.thumbnail(text.id).await.is_err());
    let links = bob.attachment_links(&[text.id]).await.expect("links");
    assert_eq!(read(reqwest::get(&links[0].url).await.expect("an answer")).await, "meow");
}

async fn message_calls(alice: &Client, bob: &Client) {
    let chat = alice.private_chat(bob.me().await.expect("me").id).await.expect("opened").id;
    let first = alice.send(chat, Draft::new("one").client_id("1")).await.expect("sent");
    let again = alice.send(chat, Draft::new("one").client_id("1")).await.expect("sent");
    assert_eq!(again.id, first.id);
    let reply = bob.send(chat, Draft::new("two").reply_to(first.id)).await.expect("sent");
    assert_eq!(reply.reply_to, Some(first.id));
    alice.edit(first.id, "one, edited").await.expect("edited");
    assert_eq!(bob.message(first.id).await.expect("a message").content, "one, edited");
    let reacted = alice.react(first.id, "#️⃣").await.expect("reacted").reactions;
    assert_eq!((reacted[0].emoji.as_str(), reacted[0].count), ("#️⃣", 1));
    let reactions = alice.reactions(first.id).collect().await.expect("reactions");
    assert_eq!((reactions.len(), reactions[0].user.id), (1, reacted[0].users[0]));
    assert_eq!(alice.unreact(first.id, "#️⃣").await.expect("removed").reactions, []);
    assert!(alice.pin(first.id).await.expect("pinned").pinned_at.is_some());
    let pins = alice.pins(chat).collect().await.expect("pins");
    assert_eq!(pins.iter().map(|one| one.id).collect::<Vec<_>>(), [first.id]);
    assert_eq!(bob.unpin(first.id).await.expect("unpinned").pinned_at, None);
    let shelf = alice.create_group(&NewGroup::new("Shelf")).await.expect("created").id;
    let forwarded = alice.forward(first.id, &[shelf]).await.expect("forwarded");
    let origin = forwarded[0].forwarded_from.clone().expect("an origin");
    assert_eq!((origin.user, origin.timestamp), (Some(first.sender), first.timestamp));
    assert_eq!(alice.receipts(first.id).await.expect("receipts").read_count, 1);
    bob.delete(reply.id).await.expect("deleted");
    for number in 3..=9 {
        alice.send(chat, number.to_string()).await.expect("sent");
    }
    let seqs = async |anchor| {
        let messages = bob.messages(chat, anchor).page_size(3).collect().await.expect("messages");
        messages.iter().map(|message| message.seq.0).collect::<Vec<_>>()
    };
    assert_eq!(seqs(Anchor::Newest).await, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(seqs(Anchor::Before(Seq(3))).await, [2, 1]);
    assert_eq!(seqs(Anchor::After(Seq(7))).await, [8, 9]);
    let mut around = bob.messages(chat, Anchor::Around(Seq(5))).page_size(3);
    let page = around.next_page().await.expect("a page").expect("the first");
    let previous = page.previous.expect("a link");
    let older = bob.follow::<meowsenger_client::types::Message>(&previous).await.expect("a page");
    assert!(older.results.iter().all(|message| message.seq < page.results[0].seq));
    let news = bob.sync(&SyncRequest::default()).await.expect("an answer");
    assert_eq!(news.changes.len(), 1);
}
