//! Lists, read page by page as a program asks for more.

use std::vec::IntoIter;

use futures_util::Stream;
use futures_util::stream::try_unfold;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::errors::Result;
use crate::rest::Client;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The link to the next page, for [`Client::follow`].
    pub next: Option<String>,
    /// The link to the previous page.
    pub previous: Option<String>,
    /// The items of this page.
    pub results: Vec<T>,
}

/// A list of the server. It is read when asked for its items, a page at a time.
///
/// ```no_run
/// # async fn example(client: meowsenger_client::Client) -> meowsenger_client::Result<()> {
/// let mut chats = client.chats();
/// while let Some(chat) = chats.next().await? {
///     println!("{}: {} unread", chat.name, chat.unread_count);
/// }
/// # Ok(())
/// # }
/// ```
///
/// After an error, the same call goes on where the list stopped.
#[derive(Clone, Debug)]
#[must_use = "a list reads nothing until it is asked"]
pub struct List<T> {
    client: Client,
    /// Where the next page is; `None` after the last one.
    path: Option<String>,
    query: Vec<(&'static str, String)>,
    items: IntoIter<T>,
}

impl<T: DeserializeOwned> List<T> {
    pub(crate) fn new(client: &Client, path: impl Into<String>) -> Self {
        let (client, path) = (client.clone(), Some(path.into()));
        Self { client, path, query: Vec::new(), items: Vec::new().into_iter() }.page_size(100)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.retain(|(known, _)| *known != name);
        self.query.push((name, value.to_string()));
        self
    }

    /// The number of items in a page, 1–100. The default is 100.
    pub fn page_size(self, items: u32) -> Self {
        self.with("page_size", items)
    }

    /// The next item; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(item) = self.items.next() {
                return Ok(Some(item));
            }
            let Some(page) = self.next_page().await? else { return Ok(None) };
            self.items = page.results.into_iter();
        }
    }

    /// The next page, without the items of earlier ones; `None` at the end.
    pub async fn next_page(&mut self) -> Result<Option<Page<T>>> {
        let Some(path) = &self.path else { return Ok(None) };
        let page: Page<T> = self.client.run(Call::get(path).query(self.query.clone())).await?;
        self.path = page.next.as_deref().map(local);
        // The link names them.
        self.query.clear();
        Ok(Some(page))
    }

    /// All remaining items.
    pub async fn collect(mut self) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await? {
            items.push(item);
        }
        Ok(items)
    }

    /// The remaining items as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<T>> {
        try_unfold(self, async |mut list| Ok(list.next().await?.map(|item| (item, list))))
    }
}

impl Client {
    /// The page behind a `next` or `previous` link.
    pub async fn follow<T: DeserializeOwned>(&self, link: &str) -> Result<Page<T>> {
        self.run(Call::get(local(link))).await
    }
}

/// Links contain the server's public address; stay with the address that is used here.
fn local(link: &str) -> String {
    link.find("/api/").map_or(link, |at| &link[at..]).to_owned()
}
