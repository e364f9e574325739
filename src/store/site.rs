//! The site's one row, and whether the database answers at all.

use super::db::Target;
use super::error::Result;

/// The epoch: it changes when the data's past does.
pub async fn epoch(at: impl Into<Target<'_>>) -> Result<String> {
    let (epoch,): (String,) = at.into().query("select epoch from site where id = 1").one().await?;
    Ok(epoch)
}
