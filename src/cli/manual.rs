//! `manual DIR`: writes the manual pages and shell completions, made of the same descriptions as `--help`.
//! For packages, so `--help` does not list it.

use std::fs;
use std::path::PathBuf;

use clap::Command;
use clap_complete::{Shell, generate_to};

use super::context::{Result, say};

/// The shells that packages bring completions for.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// The arguments of `manual`.
#[derive(Debug, clap::Args)]
pub(super) struct ManualArguments {
    /// The folder to write to, which is created
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(arguments: &ManualArguments, command: Command) -> Result {
    // `help COMMAND` is what the command's own page says.
    let mut command = command.disable_help_subcommand(true);
    let (pages, completions) =
        (arguments.folder.join("man1"), arguments.folder.join("completions"));
    for folder in [&pages, &completions] {
        fs::create_dir_all(folder)?;
    }
    for shell in SHELLS {
        generate_to(shell, &mut command, "meowsenger", &completions)?;
    }
    clap_mangen::generate_to(command, &pages)?;
    say(&format!("wrote {}", arguments.folder.display()));
    Ok(())
}
