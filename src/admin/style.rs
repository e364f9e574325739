//! The style sheet, inside the binary, under a name that changes with its content, so that browsers may keep it.

use aws_lc_rs::digest::{SHA256, digest};

use crate::auth::secrets::hex;

/// Its content.
pub(super) const STYLE: &str = include_str!("../../templates/admin/admin.css");
/// Bytes of the hash in the name.
const NAME_BYTES: usize = 8;

/// The path of the style sheet.
pub(super) fn path() -> String {
    format!("/admin/style/{}/", name())
}

/// Its name: a hash of its content.
pub(super) fn name() -> String {
    format!("{}.css", hex(&digest(&SHA256, STYLE.as_bytes()).as_ref()[..NAME_BYTES]))
}
