//! Tells cargo to rebuild when a migration or a file of the web client is added: the files are embedded, and no source
//! names them. Writes the table of the store's functions, from which `store::observer` takes the names of statements.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const STORE: &str = "src/store";

#[expect(clippy::disallowed_methods, reason = "cargo says in a variable where to write")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=web/dist");
    println!("cargo:rerun-if-changed={STORE}");
    println!("cargo:rerun-if-changed=build.rs");
    let mut table = String::from("&[\n");
    for file in files_in(Path::new(STORE))? {
        let module = file.strip_prefix(STORE)?.with_extension("").display().to_string();
        let module = module.replace('/', "::");
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

/// The files in a folder and its folders, in the order of their names.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    let mut files = Vec::new();
    for path in entries.iter().map(fs::DirEntry::path) {
        if path.is_dir() { files.extend(files_in(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

/// Whether this can stand before `fn` in a definition.
fn is_prefix(before: &str) -> bool {
    before
        .split_whitespace()
        .all(|word| ["async", "const", "pub", "pub(crate)", "pub(super)"].contains(&word))
}
