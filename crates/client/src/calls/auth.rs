//! Accounts and sessions.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::call::Call;
use crate::errors::{Error, ErrorKind, Result};
use crate::ids::SessionId;
use crate::lists::List;
use crate::rest::{Client, Server};
use crate::tokens::Tokens;
use crate::types::{Picture, ProfileUpdate, Registration, Session, Ticket, TokenPair, User};

/// Without a session.
impl Server {
    /// Starts a session. `username` may be an email address.
    pub async fn log_in(&self, username: &str, password: &str) -> Result<Client> {
        let body = json!({"username": username, "password": password});
        self.start_session(Call::post("/api/auth/login/", body)).await
    }

    /// Creates an account and starts its first session.
    pub async fn register(&self, account: &Registration) -> Result<Client> {
        self.start_session(Call::post("/api/auth/register/", account)).await
    }

    /// Whether a token of either kind is valid.
    pub async fn verify(&self, token: &str) -> Result<bool> {
        let call = Call::post("/api/auth/verify/", json!({"token": token})).idempotent();
        match self.run::<Value>(call).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Some(ErrorKind::NotAuthenticated) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Mails a password reset link to the account with this email address, if there is one.
    pub async fn request_password_reset(&self, email: &str) -> Result<()> {
        self.run(Call::post("/api/auth/password/reset/", json!({"email": email}))).await
    }

    /// Sets a new password with the `uid` and `token` of a password reset link. All sessions of the
    /// account end.
    pub async fn confirm_password_reset(
        &self,
        uid: &str,
        token: &str,
        new_password: &str,
    ) -> Result<()> {
        let body = json!({"uid": uid, "token": token, "new_password": new_password});
        self.run(Call::post("/api/auth/password/reset/confirm/", body)).await
    }

    async fn start_session(&self, call: Call) -> Result<Client> {
        let pair = self.run(call).await?;
        Ok(Client { server: self.clone(), tokens: Arc::new(Tokens::issued_now(pair)) })
    }
}

/// Your account.
impl Client {
    /// Your account.
    pub async fn me(&self) -> Result<User> {
        self.run(Call::get("/api/auth/me/")).await
    }

    /// Updates your account.
    pub async fn update_profile(&self, update: &ProfileUpdate) -> Result<User> {
        self.run(Call::patch("/api/auth/me/", update)).await
    }

    /// Replaces your avatar.
    pub async fn set_avatar(&self, picture: impl Into<Picture>) -> Result<User> {
        self.run(Call::put_picture("/api/auth/me/avatar/", picture.into())).await
    }

    /// Removes your avatar.
    pub async fn remove_avatar(&self) -> Result<User> {
        self.run(Call::delete("/api/auth/me/avatar/")).await
    }

    /// Deletes your account; see the server's documentation for what remains.
    pub async fn delete_account(&self, password: &str) -> Result<()> {
        let body = json!({"password": password});
        self.run(Call::delete("/api/auth/me/").json(body).once()).await
    }

    /// Changes your password. All other sessions end; this one gets new tokens. If the answer is lost,
    /// so are they: then log in again when the session has ended.
    pub async fn change_password(&self, old: &str, new: &str) -> Result<()> {
        let body = json!({"old_password": old, "new_password": new, "new_tokens": true});
        let change = |pair: TokenPair| {
            let (server, body) = (self.server.clone(), body.clone());
            async move {
                let mut call = Call::post("/api/auth/password/change/", body);
                server.attempt(&mut call, Some(&pair.access)).await
            }
        };
        let access = self.access().await?;
        match self.tokens.exchange(change).await {
            Err(Error::Api(error)) if error.kind == ErrorKind::NotAuthenticated => {
                self.replace_access(&access).await?;
                self.tokens.exchange(change).await
            }
            outcome => outcome,
        }
    }
}

/// Sessions.
impl Client {
    /// Ends the session: revokes its tokens and closes its connections.
    pub async fn log_out(self) -> Result<()> {
        self.run(Call::post("/api/auth/logout/", json!({}))).await
    }

    /// Your sessions, the newest login first.
    pub fn sessions(&self) -> List<Session> {
        List::new(self, "/api/auth/sessions/")
    }

    /// Ends one of your sessions.
    pub async fn end_session(&self, id: SessionId) -> Result<()> {
        self.run(Call::delete(format!("/api/auth/sessions/{id}/"))).await
    }

    /// Ends all your sessions except this one.
    pub async fn end_other_sessions(&self) -> Result<()> {
        self.run(Call::delete("/api/auth/sessions/")).await
    }

    /// A ticket that opens one WebSocket, for clients that cannot set headers, such as web pages.
    pub async fn ws_ticket(&self) -> Result<Ticket> {
        self.run(Call::post("/api/auth/ws-ticket/", json!({})).idempotent()).await
    }
}
