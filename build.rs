//! Tells cargo to rebuild when a migration is added: the files are embedded, and no source names them.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
