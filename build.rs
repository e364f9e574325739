//! Tells cargo to rebuild when a migration is added: the files are embedded, and no source names them. Writes
//! the table of the store's functions, from which `store::observer` takes the names of statements.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

const STORE: &str = "src/store";

#[expect(clippy::disallowed_methods, reason = "cargo says in a variable where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed={STORE}");
    println!("cargo:rerun-if-changed=build.rs");
    let mut table = String::from("&[\n");
    let mut files: Vec<_> = fs::read_dir(STORE)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    for file in files.iter().map(fs::DirEntry::path).filter(|path| path.is_file()) {
        let module = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&file)?;
        let functions = text.lines().enumerate().filter_map(|(index, line)| {
            let (_, rest) = line.split_once("fn ").filter(|(before, _)| is_prefix(before))?;
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            Some(format!("({}, \"{module}::{name}\"), ", index + 1))
        });
        let functions: String = functions.collect();
        table += &format!("    ({:?}, &[{functions}]),\n", file.display().to_string());
    }
    let out = env::var_os("OUT_DIR").ok_or("no OUT_DIR")?;
    fs::write(Path::new(&out).join("functions.rs"), table + "]\n")?;
    Ok(())
}

/// Whether this can stand before `fn` in a definition.
fn is_prefix(before: &str) -> bool {
    before
        .split_whitespace()
        .all(|word| ["async", "const", "pub", "pub(crate)", "pub(super)"].contains(&word))
}
