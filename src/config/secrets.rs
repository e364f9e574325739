//! Secrets in files: `NAME_FILE` names the file that has the value of `NAME`, as container platforms
//! provide them. The only files that the settings read, besides `.env`.

use std::fs::File;
use std::io::{self, Read};

use super::variables::Variables;

/// The largest secret, in bytes. More is not a secret but the wrong file.
const MAX: u64 = 64 * 1024;

/// The value of a variable that may be in a file. The error names the variable.
pub fn secret(variables: &Variables, name: &str) -> Result<Option<String>, String> {
    let given =
        |name: &str| variables.get(name).map(|value| value.trim()).filter(|v| !v.is_empty());
    let (value, file) = (given(name), format!("{name}_FILE"));
    match (value, given(&file)) {
        (Some(_), Some(_)) => Err(format!("{name} and {file} must not both be set")),
        (_, Some(path)) => {
            read(path).map(Some).map_err(|error| format!("{file}: cannot read {path}: {error}"))
        }
        (value, None) => Ok(value.map(str::to_owned)),
    }
}

/// The content of a file, without the line break at its end.
fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX + 1).read_to_string(&mut text)?;
    let value = text.trim_end_matches(['\r', '\n']);
    match value.len() as u64 {
        0 => Err(io::Error::other("the file is empty")),
        length if length > MAX => Err(io::Error::other("the file is larger than 64 KiB")),
        _ => Ok(value.to_owned()),
    }
}
