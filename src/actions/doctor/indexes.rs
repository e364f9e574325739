//! The check of the database's own indexes.

use crate::domain::error::Result;
use crate::store::doctor::schema::{self, Index};
use crate::store::error::StoreError;

use super::report::{Checkup, Remedy};

pub(super) async fn check(checkup: &mut Checkup<'_>) -> Result<()> {
    const REPAIR: &str = "creates it; writers of the table wait meanwhile";
    for index in schema::missing_indexes(checkup.db).await? {
        let remedy = match checkup.fix {
            false => Remedy::Repairable(REPAIR.to_owned()),
            true => match create(checkup, &index).await {
                Ok(()) => Remedy::Repaired(REPAIR.to_owned()),
                Err(StoreError::Unique(error)) => {
                    Remedy::Person(format!("remove the duplicates first: {error}"))
                }
                Err(error) => return Err(error.into()),
            },
        };
        checkup.add("index", format!("index {}", index.name), "it is missing".to_owned(), remedy);
    }
    Ok(())
}

async fn create(checkup: &Checkup<'_>, index: &Index) -> Result<(), StoreError> {
    let mut tx = checkup.db.begin().await?;
    schema::create_index(&mut tx, index).await?;
    tx.commit().await
}
