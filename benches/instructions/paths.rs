//! The hot paths, each as the server runs it for one request.

use std::sync::Arc;

use meowsenger::actions::messages::{MessageCursor, MessagesRequest};
use meowsenger::actions::{chats, connect, messages, sessions};
use meowsenger::domain::chat::ChatFilter;
use meowsenger::domain::ids::{ChatId, UserId};
use meowsenger::domain::input::Input;
use meowsenger::domain::message::{Content, Draft};
use meowsenger::domain::numbering::Seq;
use meowsenger::domain::page::PageRequest;

use super::Result;
use super::site::{CROWD, MEMBERS, MESSAGES, Site};

/// Each with its repetitions: so many that what differs between two runs, such as where threads meet, stays
/// below one per cent.
pub const ALL: &[(&str, u64)] = &[
    ("token", 1_000),
    ("send", 400),
    ("fan-out", 300),
    ("history", 200),
    ("chats", 100),
    ("connect", 300),
];

/// Runs one so often.
pub fn run(path: &str, count: u64) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let site = Site::open().await?;
        match path {
            "token" => token(&site, count).await,
            "send" => send(&site, count).await,
            "fan-out" => fan_out(&site, count).await,
            "history" => history(&site, count).await,
            "chats" => list(&site, count).await,
            "connect" => connects(&site, count).await,
            _ => Err(format!("no path {path}").into()),
        }
    })
}

/// The session check of every request.
async fn token(site: &Site, count: u64) -> Result {
    let token = site.token(1)?;
    for _ in 0..count {
        sessions::authenticate(&site.app, &token).await?;
    }
    Ok(())
}

/// A message that is committed, to a chat whose members are not connected.
async fn send(site: &Site, count: u64) -> Result {
    for number in 0..count {
        say(site, CROWD + 1, number).await?;
    }
    Ok(())
}

/// The same to a hundred connections, each of which takes it out of its queue.
async fn fan_out(site: &Site, count: u64) -> Result {
    let mut sockets = Vec::new();
    for member in 1..=MEMBERS {
        let caller = sessions::authenticate(&site.app, &site.token(member)?).await?;
        let connected = connect::connect(&site.app, &caller).await;
        let (socket, _) = connected.map_err(|error| format!("{error:?}"))?;
        sockets.push(socket);
    }
    for number in 0..count {
        say(site, CROWD, number).await?;
        for socket in &sockets {
            socket.queue().wait().await;
            if socket.queue().take().frames.is_empty() {
                return Err("a member got nothing".into());
            }
        }
    }
    Ok(())
}

/// Fifty messages, deep in a chat.
async fn history(site: &Site, count: u64) -> Result {
    let caller = sessions::authenticate(&site.app, &site.token(1)?).await?;
    for number in 0..count {
        let seq = Seq(100 + number as i64 * 7 % (MESSAGES - 200));
        let cursor = PageRequest::After(MessageCursor { newest_first: true, seq });
        let request = Ok(MessagesRequest::Page(cursor));
        let page = messages::list(&site.app, &caller, ChatId(CROWD), request, 50, true).await?;
        if page.rows.len() != 50 {
            return Err("not a whole page".into());
        }
    }
    Ok(())
}

/// The first fifty of two hundred chats.
async fn list(site: &Site, count: u64) -> Result {
    let caller = sessions::authenticate(&site.app, &site.token(1)?).await?;
    for _ in 0..count {
        let filter = ChatFilter::default();
        let page = chats::list(&site.app, &caller, &filter, PageRequest::First, 50).await?;
        if page.rows.len() != 50 {
            return Err("not a whole page".into());
        }
    }
    Ok(())
}

/// A connection of a user with one chat, up to `ready`, and its end.
async fn connects(site: &Site, count: u64) -> Result {
    let token = site.token(MEMBERS)?;
    for _ in 0..count {
        let caller = sessions::authenticate(&site.app, &token).await?;
        connect::connect(&site.app, &caller).await.map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

async fn say(site: &Site, chat: i64, number: u64) -> Result {
    let content = Content::of_row(format!("Meow number {number}, as long as people write."));
    let draft =
        Draft { content: Some(content), reply_to: None, client_id: None, attachments: Vec::new() };
    let draft = Input { value: draft, errors: Default::default() };
    messages::send(&Arc::clone(&site.app), UserId(1), ChatId(chat), Ok(draft)).await?;
    Ok(())
}
