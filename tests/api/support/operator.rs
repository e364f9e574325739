//! Staff in a browser, as far as the admin site needs one: it keeps cookies, follows no redirect by itself, and sends
//! forms with the token of the page that it has seen last.

use std::collections::BTreeMap;

use meowsenger_testing::{Answer, Client, PASSWORD};
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::{Method, RequestBuilder, redirect};
use url::form_urlencoded;

use super::TestApp;

/// A browser that opens pages of the admin site.
#[derive(Clone)]
pub struct Operator {
    pub http: reqwest::Client,
    pub base: String,
    /// The cookies that it keeps, by name.
    pub cookies: BTreeMap<String, String>,
    /// The token of the forms of the latest page that had any.
    pub token: String,
    /// The user who was logged in, if there is one.
    pub id: i64,
    pub username: String,
}

impl Operator {
    /// A browser without cookies.
    pub fn new(base: &str) -> Self {
        Self {
            http: reqwest::Client::builder()
                .tls_certs_only([])
                .no_proxy()
                .redirect(redirect::Policy::none())
                .build()
                .expect("a client"),
            base: base.to_owned(),
            cookies: BTreeMap::new(),
            token: String::new(),
            id: 0,
            username: String::new(),
        }
    }

    /// A new staff member, or superuser, who is logged in.
    pub async fn staff(server: &TestApp, name: &str, superuser: bool) -> Self {
        let user = server.user(name).await;
        server.make_staff(&user, superuser).await;
        Self::of(server, &user).await
    }

    /// A user of this server, logged in to the admin site.
    pub async fn of(server: &TestApp, user: &Client) -> Self {
        let mut operator = Self::new(&server.base);
        operator.login(&user.username, PASSWORD).await.expect(302);
        (operator.id, operator.username) = (user.id, user.username.clone());
        operator
    }

    /// The same browser, asking another node.
    pub fn on(&self, server: &TestApp) -> Self {
        Self { base: server.base.clone(), ..self.clone() }
    }

    /// Opens the login and sends its form.
    pub async fn login(&mut self, username: &str, password: &str) -> Answer {
        self.get("/admin/login/").await.expect(200);
        self.post("/admin/login/", &[("username", username), ("password", password)]).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Sends a form, with the token.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrfmiddlewaretoken", &self.token).extend_pairs(fields);
        let form = form.finish();
        self.send(Method::POST, path, Some(form)).await
    }

    /// Sends a form that answers with a redirect, and opens the page that it leads to.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let to = location(&self.post(path, fields).await.expect(302));
        self.get(&to).await.expect(200)
    }

    /// Sends a request with the cookies, and keeps those that are set.
    pub async fn send(&mut self, method: Method, path: &str, form: Option<String>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(form) = form {
            let kind = "application/x-www-form-urlencoded";
            request = request.header("content-type", kind).body(form);
        }
        let answer = Answer::of(request).await;
        for line in answer.headers.get_all(SET_COOKIE) {
            let line = line.to_str().expect("text");
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().expect("a value");
            match line.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        let mark = "name=\"csrfmiddlewaretoken\" value=\"";
        if let Some((_, rest)) = answer.text.split_once(mark) {
            self.token = rest.split('"').next().expect("a token").to_owned();
        }
        answer
    }

    /// A request with the cookies, for what the methods above do not cover.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let request = self.http.request(method, format!("{}{path}", self.base));
        if cookies.is_empty() { request } else { request.header("cookie", cookies) }
    }
}

/// Where a redirect leads.
pub fn location(answer: &Answer) -> String {
    answer.headers[LOCATION].to_str().expect("text").to_owned()
}
