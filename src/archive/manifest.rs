//! The manifest: what an export contains, with checksums. It is written last, so a folder without it is not
//! a complete export.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the format that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: u32,
    /// The version of the program that made the export.
    pub program: String,
    /// The newest migration of the exported database.
    pub schema: String,
    /// When it was made (RFC 3339).
    pub exported_at: String,
    /// The tables, in an order in which no row refers to a later table.
    pub tables: Vec<ListedFile>,
    /// The list of stored files.
    pub media: ListedFile,
    /// The last id that each table has assigned.
    pub last_ids: BTreeMap<String, i64>,
}

/// A file of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// The table, or `media`.
    pub name: String,
    /// The number of lines.
    pub rows: u64,
    /// The size.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

impl ListedFile {
    /// Its path in the folder.
    pub fn path(&self) -> String {
        format!("{}.jsonl", self.name)
    }
}
