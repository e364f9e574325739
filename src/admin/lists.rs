//! Lists: which page of which rows a request asks for, and the links to others. Cursors are signed, as those of REST.

use url::form_urlencoded;

use crate::domain::error::Error;
use crate::domain::page::{DEFAULT_SIZE, Page, PageRequest};

use super::errors::Result;
use super::forms::FormData;
use super::visit::Visit;

/// The parameters of a list in the query: filters, `sort`, and `cursor`.
#[derive(Debug)]
pub(super) struct ListQuery {
    visit: Visit,
    /// What the cursors are signed for.
    list: &'static str,
    parameters: FormData,
}

/// Links to the pages before and after, as `parts.html` shows them.
#[derive(Debug, Default)]
pub(super) struct PageLinks {
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
}

/// The head of a column that can be sorted by.
#[derive(Debug)]
pub(super) struct SortLink {
    pub(super) text: &'static str,
    pub(super) path: String,
    pub(super) is_current: bool,
}

/// A choice of a filter, as `parts.html` shows it.
#[derive(Debug)]
pub(super) struct FilterOption {
    pub(super) value: &'static str,
    pub(super) text: &'static str,
    pub(super) is_selected: bool,
}

impl ListQuery {
    /// Rows on a page.
    pub(super) const SIZE: i64 = DEFAULT_SIZE;

    /// The list that a request asks for; `list` names it for the cursors.
    pub(super) fn of(visit: &Visit, list: &'static str) -> Self {
        let parameters = FormData::parse(visit.query.as_bytes());
        Self { visit: visit.clone(), list, parameters }
    }

    /// A filter, trimmed; empty if it is not set.
    pub(super) fn filter(&self, name: &str) -> &str {
        self.parameters.text(name).trim()
    }

    /// The options of a filter, with the selected one.
    pub(super) fn options(
        &self,
        name: &str,
        options: &[(&'static str, &'static str)],
    ) -> Vec<FilterOption> {
        let chosen = self.filter(name);
        let option = |(value, text): &(&'static str, &'static str)| FilterOption {
            value,
            text,
            is_selected: *value == chosen,
        };
        options.iter().map(option).collect()
    }

    /// Which page. `parse` reads the key of a row. A cursor of other filters is refused.
    pub(super) fn request<P>(&self, parse: impl Fn(&str) -> Option<P>) -> Result<PageRequest<P>> {
        let cursor = self.parameters.text("cursor");
        if cursor.is_empty() {
            return Ok(PageRequest::First);
        }
        let signing_key = &self.visit.app.signing_key;
        let text = signing_key.verify_text(&self.purpose(), cursor).ok_or(Error::InvalidCursor)?;
        let (way, key) = text.split_at_checked(1).ok_or(Error::InvalidCursor)?;
        let key = parse(key).ok_or(Error::InvalidCursor)?;
        match way {
            ">" => Ok(PageRequest::After(key)),
            "<" => Ok(PageRequest::Before(key)),
            _ => Err(Error::InvalidCursor.into()),
        }
    }

    /// The links to a page's neighbours. `write` writes a key as [`Self::request`] reads it.
    pub(super) fn links<T, P>(&self, page: &Page<T, P>, write: impl Fn(&P) -> String) -> PageLinks {
        let link = |way: &str, key: &P| {
            let text = format!("{way}{}", write(key));
            let cursor = self.visit.app.signing_key.sign_text(&self.purpose(), &text);
            self.path_with("cursor", &cursor)
        };
        PageLinks {
            previous: page.previous.as_ref().map(|key| link("<", key)),
            next: page.next.as_ref().map(|key| link(">", key)),
        }
    }

    /// A column that the list can be sorted by; `is_default` without the parameter.
    pub(super) fn sort_link(&self, text: &'static str, sort: &str, is_default: bool) -> SortLink {
        let chosen = self.filter("sort");
        let is_current = chosen == sort || (chosen.is_empty() && is_default);
        SortLink { text, path: self.path_with("sort", sort), is_current }
    }

    /// Another path with the parameters of this list, for an export of it.
    pub(super) fn path_of(&self, path: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.without_cursor());
        format!("{path}?{}", query.finish())
    }

    /// The list's own path with one parameter set, and without a cursor otherwise.
    pub(super) fn path_with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.without_cursor().filter(|(other, _)| *other != name));
        query.append_pair(name, value);
        format!("{}?{}", self.visit.path, query.finish())
    }

    /// The purpose of a cursor's signature: the list with its filters.
    fn purpose(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.without_cursor());
        format!("admin {} {}", self.list, query.finish())
    }

    fn without_cursor(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().filter(|(name, value)| *name != "cursor" && !value.is_empty())
    }
}
