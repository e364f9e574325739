//! `deploy/rolling-upgrade`, with programs that only print: what it refuses, and where it stops.
//! `scripts/balancer` runs it with nodes under load.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Ran, Shell};

/// The newest migration that it knows is 0015.
const OLD: &str = "case $1 in
showmigrations) echo ' [X] 0015_b (compatible with programs from migration 0012 on)' ;;
esac";

/// Prints the file `plan`; a migration creates the file `migrated`.
const NEW: &str = "case $1 in
migrate) if [ \"${2:-}\" = --plan ]; then cat plan; else touch migrated; fi ;;
healthcheck) [ ! -e broken ] || exit 1 ;;
esac";

/// Runs the script on the nodes 8000 and 8001.
fn upgrade(plan: &str, is_broken: bool) -> (Ran, Shell) {
    let shell = Shell::new();
    let path = |name: &str| shell.path().join(name);
    let program = |name: &str, text: &str| {
        fs::write(path(name), format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755)).expect("set");
    };
    program("meowsenger", OLD);
    program("new", NEW);
    program("restart", "echo $1 >> restarted");
    fs::write(path("plan"), plan).expect("written");
    if is_broken {
        fs::write(path("broken"), "").expect("written");
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rolling-upgrade");
    let mut command = Command::new("sh");
    command.arg(script).arg(path("new")).args(["8000", "8001"]).current_dir(shell.path());
    command.env("PROGRAM", path("meowsenger")).env("CONFIG", shell.path());
    command.env("RESTART", path("restart")).env("SERVICE_USER", "");
    command.env("READY", "1").env("PAUSE", "0");
    let ran = Ran::from(command.output().expect("it runs"));
    (ran, shell)
}

fn restarted(shell: &Shell) -> String {
    fs::read_to_string(shell.path().join("restarted")).unwrap_or_default()
}

#[test]
fn a_rolling_upgrade_replaces_the_program_and_restarts_one_node_after_another() {
    let plan = "  0016_c (compatible with programs from migration 0015 on)\n";
    for plan in [plan, "No migrations to apply.\n"] {
        let (ran, shell) = upgrade(plan, false);
        ran.expect(0).says(&["all nodes run"]);
        assert_eq!(restarted(&shell), "8000\n8001\n");
        let read = |name: &str| fs::read_to_string(shell.path().join(name)).expect("a program");
        assert_eq!(read("meowsenger"), read("new"));
        assert!(
            read("meowsenger.previous").contains(OLD) && shell.path().join("migrated").exists()
        );
    }
}

#[test]
fn a_rolling_upgrade_changes_nothing_if_the_program_in_service_cannot_run_beside_it() {
    for plan in ["  0016_c (compatible with programs from migration 0016 on)\n", "  0016_c\n"] {
        let (ran, shell) = upgrade(plan, false);
        ran.expect(1).says(&["migration 0015", "cannot run beside 0016_c"]);
        let left = |name: &str| shell.path().join(name).exists();
        assert!(!left("migrated") && !left("meowsenger.new") && restarted(&shell).is_empty());
    }
}

#[test]
fn a_rolling_upgrade_stops_at_a_node_that_does_not_become_ready() {
    let (ran, shell) = upgrade("No migrations to apply.\n", true);
    ran.expect(1).says(&["port 8000 is not ready", "To go back", "meowsenger.previous"]);
    assert_eq!(restarted(&shell), "8000\n");
}
