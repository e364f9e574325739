//! The page that asks before something is done that cannot be undone.

use askama::Template;
use axum::response::Response;

use super::errors::Result;
use super::pages::{PageFrame, render};

/// A question with a form that does it, and a way back.
#[derive(Debug, Template)]
#[template(path = "admin/confirm.html")]
pub(super) struct ConfirmPage<'a> {
    /// The question is the title.
    pub(super) frame: PageFrame,
    /// What will happen.
    pub(super) texts: Vec<String>,
    /// Where the form is sent.
    pub(super) action: &'a str,
    /// Hidden fields of the form.
    pub(super) fields: Vec<(&'a str, String)>,
    /// The text of the button.
    pub(super) button: &'a str,
    /// Where the link back leads.
    pub(super) back: &'a str,
}

impl ConfirmPage<'_> {
    /// The page as an answer.
    pub(super) fn show(&self) -> Result<Response> {
        Ok(render(self)?)
    }
}
