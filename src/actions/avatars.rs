//! Avatars of users and groups: storing, serving and removing them. Files that no row refers to any more are removed by
//! the sweep in `stored_files`. Callers check whether a user may change the avatar.

use std::sync::Arc;

use bytes::Bytes;

use crate::app::App;
use crate::auth::secrets::random_hex;
use crate::domain::avatar::NewAvatar;
use crate::domain::error::{Error, FieldErrors, Result};
use crate::domain::ids::UserId;
use crate::media::avatar::{Avatar, AvatarFormat};
use crate::media::files::Files;
use crate::shares::Holder;

use super::stored_files::AVATARS;

/// Length of the random part of a name, in bytes.
const RANDOM: usize = 16;

/// What a change does to the path of an avatar.
#[derive(Debug, PartialEq, Eq)]
pub enum AvatarPath {
    /// Nothing.
    Unchanged,
    /// Sets it; `None` removes the avatar.
    Set(Option<String>),
}

impl AvatarPath {
    /// The path after the change.
    pub fn apply(self, before: Option<String>) -> Option<String> {
        match self {
            Self::Unchanged => before,
            Self::Set(path) => path,
        }
    }
}

/// Stores a new avatar. Adds what is wrong with the file to `errors`, and stores nothing if there are
/// any. If no row comes to refer to the file, the sweep removes it.
pub async fn store(
    app: &App,
    by: UserId,
    avatar: Option<NewAvatar>,
    errors: &mut FieldErrors,
) -> Result<AvatarPath> {
    let file = match avatar {
        None => return Ok(AvatarPath::Unchanged),
        Some(NewAvatar::Removed) => return Ok(AvatarPath::Set(None)),
        Some(NewAvatar::Uploaded(file)) => file,
    };
    let stored = match app.media.images.avatar(Holder::User(by), file).await? {
        Ok(stored) => stored,
        Err(text) => {
            errors.add("avatar", text);
            return Ok(AvatarPath::Unchanged);
        }
    };
    errors.clone().into_result()?;
    keep(&app.media.files, stored).await.map(|path| AvatarPath::Set(Some(path)))
}

/// Stores an encoded avatar under a new random name. Returns its path.
pub(super) async fn keep(files: &Files, avatar: Avatar) -> Result<String> {
    let random = random_hex::<RANDOM>().map_err(|_| Error::internal("no random numbers"))?;
    let path = format!("{AVATARS}/{random}.{}", avatar.format.extension());
    files.put(&path, avatar.bytes).await?;
    Ok(path)
}

/// Removes the files of avatars that no row refers to any more.
pub(super) async fn remove(app: Arc<App>, paths: Vec<String>) {
    for path in paths {
        if let Err(error) = app.media.files.remove(&path).await {
            tracing::warn!(error = %error.cause(), "cannot remove an old avatar; the next sweep will");
        }
    }
}

/// An avatar by its file name, with its media type. [`Error::NotFound`] if there is none.
pub async fn one(app: &App, name: &str) -> Result<(&'static str, Bytes)> {
    let format = format_of(name).ok_or(Error::NotFound)?;
    let bytes = app.media.files.get(&format!("{AVATARS}/{name}")).await?;
    Ok((format.content_type(), bytes.ok_or(Error::NotFound)?))
}

/// The format of a file name, if [`store`] makes such names. No other name leads to a file.
fn format_of(name: &str) -> Option<AvatarFormat> {
    let (random, extension) = name.split_once('.')?;
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let made = random.len() == 2 * RANDOM && random.bytes().all(hex);
    AvatarFormat::of_extension(extension).filter(|_| made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_were_made_here_lead_to_a_file() {
        let random = "0123456789abcdef0123456789abcdef";
        assert_eq!(format_of(&format!("{random}.jpg")), Some(AvatarFormat::Jpeg));
        assert_eq!(format_of(&format!("{random}.png")), Some(AvatarFormat::Png));
        for bad in [
            "..",
            "../../meowsenger.sqlite3",
            "x.jpg",
            "0123456789abcdef0123456789abcde/.jpg",
            "0123456789ABCDEF0123456789ABCDEF.jpg",
            "0123456789abcdef0123456789abcdef.svg",
            "0123456789abcdef0123456789abcdef.jpg.png",
            "0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(format_of(bad), None, "{bad}");
        }
    }
}
