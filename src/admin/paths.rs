//! The paths that several pages lead to.

/// The login.
pub(super) const LOGIN: &str = "/admin/login/";
/// The overview: where a login leads that was not on the way to another page.
pub(super) const HOME: &str = "/admin/";
