//! Makes cargo notice a new migration: the files are embedded, and a new one touches no source.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
