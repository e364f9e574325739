//! Prompts: a line, or a secret that is not echoed.

use std::io::{BufRead, Write, stdin, stdout};

use super::context::{Result, say};

/// Asks for a line. End of input is an error, so that a script does not loop.
pub(super) fn line(question: &str) -> Result<String> {
    write!(stdout(), "{question}")?;
    stdout().flush()?;
    let mut answer = String::new();
    if stdin().lock().read_line(&mut answer)? == 0 {
        return Err("end of input; use --noinput if nobody can answer".into());
    }
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks for a new password, twice.
pub(super) fn new_password() -> Result<String> {
    loop {
        let password = secret("Password: ")?;
        if password == secret("Password (again): ")? {
            return Ok(password);
        }
        say("Your passwords didn't match.");
    }
}

/// Reads from the terminal even if stdin is a pipe, since only a terminal can turn off echo. Without a
/// terminal, reads stdin.
fn secret(question: &str) -> Result<String> {
    rpassword::prompt_password(question).or_else(|_| line(question))
}
