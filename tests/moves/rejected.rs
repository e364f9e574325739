//! What cannot be imported is refused with the file and the line, and nothing is changed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use meowsenger_testing::{Backend, Program, Watchdog};
use rstest::rstest;
use serde_json::{Value, json};

use crate::site::{BINARY, Place, fill};

/// Changes a line of an export. `None` removes the rest of the file in the middle of the line. The checksum
/// stays wrong unless `signed`.
fn edit(
    folder: &Path,
    table: &str,
    line: usize,
    signed: bool,
    change: impl Fn(&str) -> Option<String>,
) {
    let file = folder.join(format!("{table}.jsonl"));
    let text = fs::read_to_string(&file).expect("UTF-8");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let text = match change(&lines[line - 1]) {
        Some(changed) => {
            lines[line - 1] = changed;
            lines.join("\n") + "\n"
        }
        None => lines[..line].join("\n")[..].trim_end_matches(['}', '"']).to_owned(),
    };
    fs::write(&file, &text).expect("written");
    if signed {
        let path = folder.join("manifest.json");
        let manifest = fs::read(&path).expect("there");
        let mut manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        for listed in manifest["tables"].as_array_mut().expect("a list") {
            if listed["name"] == table {
                listed["sha256"] = json!(meowsenger::auth::secrets::sha256_hex(&text));
                listed["rows"] = json!(text.lines().count());
            }
        }
        fs::write(path, manifest.to_string()).expect("written");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &target),
            false => assert!(fs::copy(&path, target).is_ok()),
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_export_is_refused_by_file_and_line_and_nothing_is_changed(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let _watchdog = Watchdog::start();
    let Some(target) = Place::new(backend).await else { return };
    let source = Place::new(Backend::Sqlite).await.expect("always there");
    fill(&source).await;
    source.run(&["export", "out"]).expect(0);
    let good = source.path("out");
    let refused = |name: &str, texts: &[&str], spoil: &dyn Fn(&Path)| {
        let bad = target.path(name);
        copy(&good, &bad);
        spoil(&bad);
        let ran = target.run(&["import", bad.to_str().expect("UTF-8")]).expect(1).says(texts);
        assert!(ran.err.contains("meowsenger: ") && ran.err.lines().count() == 1, "{ran:#?}");
    };
    let replace = |from: &'static str, to: &'static str| {
        move |line: &str| {
            assert!(line.contains(from), "{line}");
            Some(line.replace(from, to))
        }
    };
    refused("no_file", &["users.jsonl is missing"], &|bad| {
        fs::remove_file(bad.join("users.jsonl")).expect("removed");
    });
    refused("no_manifest", &["manifest.json"], &|bad| {
        fs::remove_file(bad.join("manifest.json")).expect("removed");
    });
    refused("cut", &["messages.jsonl, line 3", "cut off"], &|bad| {
        edit(bad, "messages", 3, false, |_| None);
    });
    refused("no_json", &["messages.jsonl, line 2", "not JSON"], &|bad| {
        edit(bad, "messages", 2, false, |line| Some(line[..line.len() / 2].to_owned()));
    });
    refused("edited", &["users.jsonl: the checksum is wrong"], &|bad| {
        edit(bad, "users", 1, false, replace("alice", "malice"));
    });
    refused("column", &["chats.jsonl, line 2", "unknown column \"tail\""], &|bad| {
        edit(bad, "chats", 2, true, replace("{", "{\"tail\":1,"));
    });
    refused("kind", &["users.jsonl, line 2", "\"is_staff\" is not true or false"], &|bad| {
        edit(bad, "users", 2, true, replace("\"is_staff\":false", "\"is_staff\":\"no\""));
    });
    refused("twice", &["messages.jsonl, line 4", "nique"], &|bad| {
        let first = fs::read_to_string(bad.join("messages.jsonl")).expect("UTF-8");
        let first = first.lines().next().expect("a line").to_owned();
        edit(bad, "messages", 4, true, |_| Some(first.clone()));
    });
    refused("reference", &["members.jsonl, line 1", "constraint"], &|bad| {
        edit(bad, "members", 1, true, replace("\"user_id\":1,", "\"user_id\":999,"));
    });
    refused("check", &["members.jsonl, line 1", "constraint"], &|bad| {
        edit(bad, "members", 1, true, replace("\"role\":\"", "\"role\":\"cat "));
    });
    refused("media", &["checksum differs"], &|bad| {
        let picture = fs::read_dir(bad.join("media/avatars")).expect("there").next();
        fs::write(picture.expect("one").expect("read").path(), "meow").expect("written");
    });
    refused("table", &["dogs.jsonl: unknown table"], &|bad| {
        fs::copy(bad.join("departures.jsonl"), bad.join("dogs.jsonl")).expect("copied");
        let path = bad.join("manifest.json");
        let text = fs::read_to_string(&path).expect("UTF-8");
        fs::write(path, text.replace("\"departures\",\n", "\"dogs\",\n")).expect("written");
    });
    refused("newer", &["9999_wings", "newer"], &|bad| {
        let path = bad.join("manifest.json");
        let text = fs::read_to_string(&path).expect("UTF-8");
        let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
        manifest["schema"] = json!("9999_wings");
        fs::write(path, manifest.to_string()).expect("written");
    });
    let data = target.path("data/media/avatars");
    let left = fs::read_dir(data).map(|found| found.count()).unwrap_or_default();
    assert_eq!(left, 0, "a file was left behind");

    // Nothing was changed: the good one can be imported, once.
    let good = good.to_str().expect("UTF-8");
    target.run(&["import", good]).expect(0).says(&["Imported"]);
    target.run(&["import", good]).expect(1).says(&["not empty", "users"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_is_exported_while_it_is_served_and_nothing_is_imported_then(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let _watchdog = Watchdog::start();
    let Some(place) = Place::new(backend).await else { return };
    let server = place.serve();
    place.run(&["export", "out"]).expect(0).says(&["Exported"]);
    place.run(&["import", "out"]).expect(1).says(&["server", "stop it"]);
    assert!(server.terminate().success());
    place.forget_nodes().await;
    place.run(&["import", "out"]).expect(0).says(&["Imported"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_command_leaves_is_no_export_and_no_site(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let _watchdog = Watchdog::start();
    let Some(target) = Place::new(backend).await else { return };
    let source = Place::new(Backend::Sqlite).await.expect("always there");
    source.run(&["migrate"]).expect(0);
    source.write(&LARGE).await;
    let kill_at = |place: &Place, step: &str, arguments: &[&str]| {
        let mut command = Program::command(BINARY, arguments, &place.variables);
        command.current_dir(place.path("")).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let mut lines = output.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(step)), "no {step}");
        process.kill().expect("killed");
        assert!(!process.wait().expect("it ends").success());
    };
    // The messages come next.
    kill_at(&source, "members", &["export", "out"]);
    source.run(&["export", "out"]).expect(1).says(&["interrupted", "--overwrite"]);
    source.run(&["import", "out"]).expect(1).says(&["interrupted"]);
    source.run(&["export", "--overwrite", "out"]).expect(0);
    let out = source.path("out");
    let out = out.to_str().expect("UTF-8");
    kill_at(&target, "members", &["import", out]);
    target.run(&["import", out]).expect(0).says(&["20,000", "Imported"]);
}

/// A chat with many messages.
const LARGE: [&str; 4] = [
    "insert into users (id, username, username_key, password, date_joined) \
     values (1, 'tom', 'tom', '!', 1)",
    "insert into chats (id, type, created_at, members_count, version, last_seq, active_at) \
     values (1, 'group', 1, 1, 20001, 20000, 1)",
    "insert into members (chat_id, user_id, role, joined_at, last_delivered_seq, last_read_seq) \
     values (1, 1, 'owner', 1, 20000, 20000)",
    "insert into messages (chat_id, seq, version, sender_id, content, timestamp) \
     with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000) \
     select 1, i, i + 1, 1, 'meow', i from n",
];
