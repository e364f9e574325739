//! The pages under `docs/` are true: bash and curl run every example, and the answer is compared with
//! the one shown. Every call of the OpenAPI document has a section, with all its statuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;
use serde_json::{Value, json};

use crate::avatars::png;
use crate::message_search::indexed;
use crate::support::openapi::{calls, document, object};
use crate::support::{Backend, PASSWORD, TestApp};

/// Fields whose values differ each time: only their type is compared, and whether they are null.
const ANY: [&str; 17] = [
    "expires_at",
    "id",
    "chat",
    "reply_to",
    "created_at",
    "date_joined",
    "deleted_at",
    "edited_at",
    "pinned_at",
    "joined_at",
    "last_used_at",
    "timestamp",
    "access",
    "refresh",
    "ticket",
    "epoch",
    "user_agent",
];
/// Links, whose host is replaced by the server's.
const LINKS: [&str; 4] = ["next", "previous", "avatar", "url"];
/// Statuses of all calls, which `docs/api.md` describes once.
const OF_ALL: [&str; 7] = ["400", "401", "413", "415", "429", "500", "503"];

/// A fenced block: its language and its text.
type Block = (String, String);

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_answer_what_the_pages_show(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    for page in pages() {
        let Some(server) = TestApp::start(backend).await else { return };
        let variables = world(&server).await;
        let blocks = blocks(&fs::read_to_string(&page).expect("a page"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("cat.png"), png(40, 30)).expect("written");
        let script = script(&blocks);
        let at = folder.path().to_owned();
        let ran = tokio::task::spawn_blocking(move || {
            Command::new("bash").args(["-euc", &script]).envs(variables).current_dir(at).output()
        });
        let ran = ran.await.expect("joined").expect("bash runs");
        assert!(ran.status.success(), "{page:?}: {}", String::from_utf8_lossy(&ran.stderr));
        let mut compared = 0;
        for (number, pair) in blocks.windows(2).enumerate() {
            if let [(command, text), (language, shown)] = pair
                && (command, language) == (&"sh".to_owned(), &"http".to_owned())
            {
                if let Err(fault) = compare(folder.path(), number, shown, &server.base) {
                    panic!("{page:?}: {fault}, after\n{text}");
                }
                compared += 1;
            }
        }
        assert!(compared > 0, "{page:?}");
    }
}

#[test]
fn the_pages_tell_of_every_call_and_of_its_statuses() {
    let document = document();
    let mut told = BTreeSet::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for section in text.split("\n### ").skip(1) {
            let title = section.lines().next().expect("a title");
            let (methods, path) = title.rsplit_once(' ').expect("methods and a path");
            let (_, answers) = section.split_once("Answers:").unwrap_or_else(|| panic!("{title}"));
            let answers = answers.split("\n\n").next().expect("a paragraph");
            let words = answers.split(|c: char| !c.is_ascii_digit());
            let statuses: BTreeSet<_> = words.filter(|word| word.len() == 3).collect();
            for method in methods.split(", ").map(str::to_lowercase) {
                let responses = object(&document["paths"][path][&method]["responses"]);
                for status in responses.keys().filter(|one| !OF_ALL.contains(&one.as_str())) {
                    assert!(statuses.contains(status.as_str()), "{title} does not tell {status}");
                }
                for status in &statuses {
                    assert!(responses.contains_key(*status), "{title} is not known to be {status}");
                }
                assert!(told.insert((path.to_owned(), method)), "{title} twice");
            }
        }
    }
    let all =
        calls(&document).map(|(path, method, _)| (path.to_owned(), method.to_owned())).collect();
    assert_eq!(told, all);
}

fn pages() -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let listed = fs::read_dir(docs.join("api")).expect("docs/api");
    let mut pages: Vec<_> = listed.map(|entry| entry.expect("an entry").path()).collect();
    pages.extend([docs.join("api.md"), docs.join("from-django.md")]);
    pages.sort();
    pages
}

/// The users and chats of the examples, as `docs/api.md` describes them.
async fn world(server: &TestApp) -> BTreeMap<String, String> {
    let mut set = BTreeMap::from([("URL".to_owned(), server.base.clone())]);
    let mut people = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let email = format!("{name}@example.org");
        let body = json!({"username": name, "password": PASSWORD, "email": email});
        let anonymous = server.anonymous();
        let made = anonymous.post("/api/auth/register/", body).await.expect(201);
        let client = anonymous.with_session(&made.json);
        set.insert(name.to_uppercase(), client.access.clone());
        set.insert(name.to_uppercase() + "_ID", client.id.to_string());
        people.push(client);
    }
    let [alice, bob, carol] = people.as_slice() else { unreachable!("three") };
    let group = alice.group(&[bob, carol]).await;
    let message = alice.say(group, "Meow!").await["id"].to_string();
    indexed(server).await;
    let chat = alice.private_chat(bob).await;
    let numbers = [("GROUP", group.to_string()), ("CHAT", chat.to_string()), ("MESSAGE", message)];
    set.extend(numbers.map(|(name, value)| (name.to_owned(), value)));
    set.insert("REFRESH".to_owned(), alice.refresh.clone());
    set
}

fn blocks(page: &str) -> Vec<Block> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    let block = |text: &str| {
        let (language, text) = text.split_once('\n').expect("a block");
        (language.to_owned(), text.to_owned())
    };
    fenced.map(block).collect()
}

/// Runs the commands of a page one after the other, and collects the answers.
fn script(blocks: &[Block]) -> String {
    let mut script =
        "curl() { command curl -D $N.head -o $N.body \"$@\"; cat $N.body; }\n".to_owned();
    for (number, (_, text)) in blocks.iter().enumerate().filter(|(_, block)| block.0 == "sh") {
        script += &format!("N={number}\ntouch $N.body\n{text}\n");
    }
    script
}

/// Whether an answer is as shown: the status, the headers shown, the body.
fn compare(folder: &Path, number: usize, shown: &str, base: &str) -> Result<(), String> {
    let read = |name: String| fs::read_to_string(folder.join(name)).expect("an answer");
    let (head, body) = (read(format!("{number}.head")), read(format!("{number}.body")));
    let (shown_head, shown_body) = shown.split_once("\n\n").unwrap_or((shown, ""));
    for line in shown_head.lines() {
        if !head.lines().any(|got| got.trim().eq_ignore_ascii_case(line)) {
            return Err(format!("no {line:?} in {head}{body}"));
        }
    }
    match serde_json::from_str(shown_body) {
        Err(_) if shown_body.is_empty() && body.is_empty() => Ok(()),
        Err(fault) => Err(format!("{fault} in {shown_body}, which is {body}")),
        Ok(shown) => same("", &shown, &serde_json::from_str(&body).expect("JSON"), base),
    }
}

fn same(name: &str, shown: &Value, got: &Value, base: &str) -> Result<(), String> {
    let fault = || Err(format!("{name} is {got}, and not {shown}"));
    match (shown, got) {
        (Value::String(text), got) if text == "…" && !got.is_null() => Ok(()),
        (Value::Number(_), Value::Number(_)) if ANY.contains(&name) => Ok(()),
        (Value::String(_), Value::String(_)) if ANY.contains(&name) => Ok(()),
        (Value::String(_), Value::String(link))
            if LINKS.contains(&name) && link.starts_with(base) =>
        {
            Ok(())
        }
        (Value::Object(shown), Value::Object(fields)) => {
            if shown.len() != fields.len() || !shown.keys().all(|key| fields.contains_key(key)) {
                return Err(format!("{name} is {got}"));
            }
            shown.iter().try_for_each(|(name, value)| same(name, value, &fields[name], base))
        }
        (Value::Array(shown), Value::Array(items)) if shown.len() == items.len() => {
            shown.iter().zip(items).try_for_each(|(value, item)| same(name, value, item, base))
        }
        _ if shown == got => Ok(()),
        _ => fault(),
    }
}

/// What `docs/from-django.md` says replaces Django's commands and settings exists.
#[test]
fn the_commands_and_settings_that_replace_djangos_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(folder.join(path)).expect("a file");
    let (page, settings) = (read("docs/from-django.md"), read(".env.example"));
    let rows = |title: &str| -> Vec<String> {
        let (_, section) = page.split_once(title).expect("a section");
        let section = section.split("\n## ").next().expect("text");
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| row.rsplit(" | ").next().expect("a cell").to_owned()).collect()
    };
    let quoted = |cell: &str| -> Vec<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    for name in rows("\n## Settings\n").iter().flat_map(|cell| quoted(cell)) {
        let is_setting = settings.contains(&format!("\n# {name}="));
        assert!(is_setting || name.contains('/'), "there is no setting {name}");
    }
    let mut checked = 0;
    for text in rows("\n## Commands\n").iter().flat_map(|cell| quoted(cell)) {
        let Some(command) = text.strip_prefix("meowsenger ") else { continue };
        let words = command.split([' ', '[', ']']);
        let (flags, names): (Vec<_>, Vec<_>) =
            words.filter(|word| !word.is_empty()).partition(|word| word.starts_with("--"));
        let help =
            Command::new(env!("CARGO_BIN_EXE_meowsenger")).args([names[0], "--help"]).output();
        let help = help.expect("it runs");
        assert!(help.status.success(), "there is no command {command}");
        let text = String::from_utf8(help.stdout).expect("text");
        assert!(flags.iter().all(|flag| text.contains(flag)), "{command} differs: {text}");
        checked += 1;
    }
    assert!(checked > 5);
}
