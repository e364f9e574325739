//! The bot of `meowsenger-client`'s guide: it answers every message exactly once, however often it is
//! killed.

use meowsenger_client::{Client as BotClient, Server};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Backend, Client, PASSWORD, Socket, TestApp};

#[path = "../../crates/client/examples/bot.rs"]
#[expect(dead_code, reason = "the program's `main`")]
mod program;

/// A running bot, killed when dropped.
struct Bot(JoinSet<meowsenger_client::Result<()>>);

impl Bot {
    fn start(client: &BotClient) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(program::run(client.clone()));
        Self(tasks)
    }

    async fn kill(mut self) {
        self.0.shutdown().await;
    }
}

/// Waits for the bot's answer to a message.
async fn answer(socket: &mut Socket, content: &str) {
    let expected = format!("You said: {content}");
    while socket.next_of("message.created").await["message"]["content"] != expected {}
}

/// What the bot has said, oldest first.
async fn answers(bot: &Client, chat: i64) -> Vec<Value> {
    let mut messages = bot.messages(chat).await;
    messages.retain(|message| message["sender"]["id"] == bot.id);
    messages.iter_mut().map(|message| message["content"].take()).collect()
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_answers_what_was_said_while_it_was_down_exactly_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, whiskers) = (server.user("alice").await, server.user("whiskers").await);
    let chat = alice.private_chat(&whiskers).await;
    let client = Server::new(&server.base).log_in(&whiskers.username, PASSWORD).await.expect("in");
    let mut socket = Socket::open(&alice).await;
    alice.say(chat, "one").await;
    let bot = Bot::start(&client);
    answer(&mut socket, "one").await;
    alice.say(chat, "two").await;
    answer(&mut socket, "two").await;

    bot.kill().await;
    for content in ["three", "four", "five"] {
        alice.say(chat, content).await;
    }
    // Killed again as soon as an answer is there, which it may not know of.
    for content in ["three", "four"] {
        let bot = Bot::start(&client);
        answer(&mut socket, content).await;
        bot.kill().await;
    }
    let bot = Bot::start(&client);
    answer(&mut socket, "five").await;
    bot.kill().await;
    let _bot = Bot::start(&client);
    alice.say(chat, "six").await;
    answer(&mut socket, "six").await;
    let once = ["one", "two", "three", "four", "five", "six"];
    assert_eq!(answers(&whiskers, chat).await, once.map(|content| format!("You said: {content}")));
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_joins_a_group_leaves_its_history_alone(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(server) = TestApp::start(backend).await else { return };
    let (alice, whiskers) = (server.user("alice").await, server.user("whiskers").await);
    let group = alice.group(&[]).await;
    alice.say(group, "old").await;
    let members = format!("/api/chats/{group}/members/");
    alice.post(&members, json!({"user": whiskers.id})).await.expect(201);
    let message = alice.say(group, "new").await["id"].clone();
    let client = Server::new(&server.base).log_in(&whiskers.username, PASSWORD).await.expect("in");
    let mut socket = Socket::open(&alice).await;
    let bot = Bot::start(&client);
    answer(&mut socket, "new").await;
    bot.kill().await;
    // Edited since its answer, which is not repeated.
    let edit = json!({"content": "newer"});
    alice.put(&format!("/api/messages/{message}/"), edit).await.expect(200);
    let _bot = Bot::start(&client);
    alice.say(group, "last").await;
    answer(&mut socket, "last").await;
    assert_eq!(answers(&whiskers, group).await, ["You said: new", "You said: last"]);
}
