//! Asking people: a line, or a secret that is not shown while it is typed.

use std::io::{BufRead, Write, stdin, stdout};

use super::Result;

/// Asks for a line. An end of input is an error, so that a script does not loop.
pub(super) fn line(question: &str) -> Result<String> {
    write!(stdout(), "{question}")?;
    stdout().flush()?;
    let mut answer = String::new();
    if stdin().lock().read_line(&mut answer)? == 0 {
        return Err("no more input; use --noinput where nobody can be asked".into());
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
        super::say("Your passwords didn't match.");
    }
}

/// Read from the terminal itself, even where the input is a pipe: only it can be told not to show.
/// Where there is none, nobody looks on, and the input has to do.
fn secret(question: &str) -> Result<String> {
    rpassword::prompt_password(question).or_else(|_| line(question))
}
