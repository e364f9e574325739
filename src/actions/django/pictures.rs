//! Pictures of a Django site, from the folder of its media: each is encoded anew and stored as an upload is.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Component, Path};

use crate::actions::avatars;
use crate::actions::transfer::TransferError;
use crate::media::encoder::ImageEncoder;
use crate::media::files::Files;
use crate::shares::Holder;
use crate::store::django_rest;
use crate::store::load::Load;

use super::report::Report;

/// Largest file, in bytes.
const MOST: u64 = 64 << 20;

/// Stores the pictures of users or groups. Adds the paths of what it has stored to `stored`, also if it fails.
pub(super) async fn import(
    pictures: &[(i64, String)],
    of_users: bool,
    media: Option<&Path>,
    files: &Files,
    load: &mut Load,
    report: &mut Report<'_>,
    stored: &mut Vec<String>,
) -> Result<(), TransferError> {
    let noun = if of_users { "user" } else { "chat" };
    if let (None, Some((first, _))) = (media, pictures.first()) {
        let text = format!(
            "{} {noun}(s) have pictures: name Django's MEDIA_ROOT by --media",
            pictures.len()
        );
        report.loss("pictures", format!("{noun} {first} and so on"), text, "imports them without");
    }
    let Some(folder) = media else {
        report.advance(pictures.len());
        return Ok(());
    };
    let encoder = ImageEncoder::default();
    for (id, path) in pictures {
        report.advance(1);
        let encoded = match read(folder, path) {
            Ok(file) => {
                let holder = Holder::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
                let encoded = encoder.avatar(holder, file.into()).await;
                encoded.map_err(TransferError::media(path))?.map_err(str::to_owned)
            }
            Err(reason) => Err(reason),
        };
        match encoded {
            Ok(picture) => {
                let kept =
                    avatars::keep(files, picture).await.map_err(TransferError::media(path))?;
                stored.push(kept.clone());
                django_rest::set_avatar(load.tx(), of_users, *id, &kept).await?;
            }
            Err(reason) => {
                let text = format!("the picture {path} cannot be imported: {reason}");
                report.loss(
                    "picture",
                    format!("{noun} {id}"),
                    text,
                    "imports it without the picture",
                );
            }
        }
    }
    Ok(())
}

/// A file below a folder, and nowhere else.
fn read(folder: &Path, path: &str) -> Result<Vec<u8>, String> {
    let path = Path::new(path);
    if !path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err("its path leads out of the folder".to_owned());
    }
    let file = folder.join(path);
    let size = std::fs::metadata(&file).map_err(|error| error.to_string())?.len();
    if size > MOST {
        return Err(format!("it has {size} bytes"));
    }
    std::fs::read(&file).map_err(|error| error.to_string())
}
