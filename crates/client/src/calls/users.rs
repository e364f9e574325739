//! Other users.

use reqwest::Method;

use crate::call::Call;
use crate::errors::Result;
use crate::ids::UserId;
use crate::lists::List;
use crate::rest::Client;
use crate::types::{Picture, ProfileUpdate, User, UserRef};

impl Client {
    /// All active users, by username.
    pub fn users(&self) -> List<User> {
        List::new(self, "/api/users/")
    }

    /// Up to 100 users by their ids. Those that do not exist or are not active are left out.
    pub fn users_by_id(&self, ids: &[UserId]) -> List<User> {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        self.users().with("ids", ids.join(","))
    }

    /// Searches users by name, best match first.
    pub fn search_users(&self, name: &str) -> List<User> {
        List::new(self, "/api/users/search/").with("q", name)
    }

    /// A user.
    pub async fn user(&self, id: UserId) -> Result<User> {
        self.run(Call::get(format!("/api/users/{id}/"))).await
    }

    /// Updates a user, as staff.
    pub async fn update_user(&self, id: UserId, update: &ProfileUpdate) -> Result<User> {
        self.run(Call::patch(format!("/api/users/{id}/"), update)).await
    }

    /// Replaces a user's avatar, as staff.
    pub async fn set_user_avatar(&self, id: UserId, picture: impl Into<Picture>) -> Result<User> {
        self.run(Call::put_picture(format!("/api/users/{id}/avatar/"), picture.into())).await
    }

    /// Removes a user's avatar, as staff.
    pub async fn remove_user_avatar(&self, id: UserId) -> Result<User> {
        self.run(Call::delete(format!("/api/users/{id}/avatar/"))).await
    }

    /// The users that you block, the latest block first.
    pub fn blocks(&self) -> List<UserRef> {
        List::new(self, "/api/blocks/")
    }

    /// Blocks a user. To block one again changes nothing.
    pub async fn block(&self, user: UserId) -> Result<()> {
        self.run(Call::new(Method::PUT, format!("/api/blocks/{user}/"))).await
    }

    /// Ends a block. Without one, this changes nothing.
    pub async fn unblock(&self, user: UserId) -> Result<()> {
        self.run(Call::delete(format!("/api/blocks/{user}/"))).await
    }
}
