//! The checks of what follows from names: the keys by which usernames are unique and ordered, the names to
//! log in by, and the search index.

use std::collections::BTreeSet;

use crate::domain::error::Result;
use crate::domain::ids::{ChatId, UserId};
use crate::domain::search::{IndexEntry, RULES};
use crate::domain::text::{fold, quoted};
use crate::store::doctor::names::{self, GroupName, SEPARATOR, UserNames};
use crate::store::error::StoreError;
use crate::store::{Target, Tx, chats, search, users};

use super::report::{Checkup, Remedy};

/// Rows read at a time.
const BATCH: i64 = 500;

/// What can be wrong with a user's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Key,
    Logins,
    Index,
}

impl Fault {
    const ALL: [Self; 3] = [Self::Key, Self::Logins, Self::Index];

    fn check(self) -> &'static str {
        match self {
            Self::Key => "username-key",
            Self::Logins => "login-names",
            Self::Index => "search-index",
        }
    }

    fn repair(self) -> &'static str {
        match self {
            Self::Key => "sets the key of the username",
            Self::Logins => "sets the login names by the username and the e-mail address",
            Self::Index => "indexes the user again",
        }
    }

    /// What is wrong, if it is.
    fn of(self, user: &UserNames) -> Option<String> {
        match self {
            Self::Key => (user.username_key != key(user)).then(|| {
                let (has, wants) = (quoted(&user.username_key), quoted(&key(user)));
                format!("the key of the username is {has}, and must be {wants}")
            }),
            Self::Logins => {
                let (has, wants) = (set(user.login_names.as_deref()), logins(user));
                (has != wants).then(|| {
                    format!(
                        "the login names do not follow from the username and the address: {} missing, \
                         {} too many",
                        wants.difference(&has).count(),
                        has.difference(&wants).count()
                    )
                })
            }
            // By earlier rules, or not yet: a running server indexes these by itself.
            Self::Index if user.search_rules != RULES => None,
            Self::Index => {
                let entry = entry(user);
                let wants: BTreeSet<String> = entry.pieces.into_iter().collect();
                (user.search_text != entry.names || set(user.pieces.as_deref()) != wants)
                    .then(|| "the search index does not follow from the names".to_owned())
            }
        }
    }
}

pub(super) async fn check(checkup: &mut Checkup<'_>) -> Result<()> {
    let mut after = UserId(i64::MIN);
    loop {
        let batch = names::users(checkup.db, after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = last.id;
        for user in &batch {
            for fault in Fault::ALL {
                if let Some(text) = fault.of(user) {
                    handle(checkup, user, fault, text).await?;
                }
            }
        }
    }
    groups(checkup).await
}

async fn handle(
    checkup: &mut Checkup<'_>,
    user: &UserNames,
    fault: Fault,
    text: String,
) -> Result<()> {
    let repair = fault.repair().to_owned();
    let rival = match fault {
        Fault::Key | Fault::Index => None,
        Fault::Logins => rival(checkup.db, user).await?,
    };
    let remedy = match rival {
        Some((_, rival)) => clash(rival),
        None if !checkup.fix => Remedy::Repairable(repair),
        None => match mend(checkup, user.id, fault).await {
            Ok(true) => Remedy::Repaired(repair),
            Ok(false) => return Ok(()),
            Err(StoreError::Unique(_)) => Remedy::Person(
                "another user has this name: rename one of them (PATCH /api/users/ID/ by staff)"
                    .to_owned(),
            ),
            Err(error) => return Err(error.into()),
        },
    };
    checkup.add(fault.check(), format!("user {}", user.id), text, remedy);
    Ok(())
}

fn clash(rival: UserId) -> Remedy {
    Remedy::Person(format!(
        "user {rival} has one of these names, too: rename one of them (PATCH /api/users/ID/ by staff)"
    ))
}

/// Repairs a fault in a transaction of its own. False if it is gone.
async fn mend(checkup: &Checkup<'_>, id: UserId, fault: Fault) -> Result<bool, StoreError> {
    let mut tx = checkup.db.begin().await?;
    users::lock(&mut tx, id).await?;
    let Some(user) = one(&mut tx, id).await? else { return Ok(false) };
    if fault.of(&user).is_none() {
        return Ok(false);
    }
    match fault {
        Fault::Key => names::set_username_key(&mut tx, id, &key(&user)).await?,
        Fault::Index => names::index_again(&mut tx, id, &entry(&user)).await?,
        Fault::Logins => {
            for name in missing(&user) {
                // Without a right to it: `rival` has found nobody.
                names::release_name(&mut tx, &name).await?;
            }
            if let Some((name, _)) = rival(&mut tx, &user).await? {
                tracing::warn!("a login name was claimed meanwhile: {}", quoted(&name));
                return Ok(false);
            }
            let keys: Vec<_> = logins(&user).into_iter().collect();
            users::claim_names(&mut tx, id, &keys).await?;
        }
    }
    tx.commit().await?;
    Ok(true)
}

/// Another user with a right to a login name that this one lacks.
async fn rival(
    at: impl Into<Target<'_>>,
    user: &UserNames,
) -> Result<Option<(String, UserId)>, StoreError> {
    let mut at = at.into();
    let missing = missing(user);
    if missing.is_empty() {
        return Ok(None);
    }
    for (name, owner) in users::taken(at.reborrow(), missing).await? {
        let owner = names::users(at.reborrow(), UserId(owner.0 - 1), 1).await?;
        if let Some(owner) = owner.into_iter().next()
            && logins(&owner).contains(&name)
        {
            return Ok(Some((name, owner.id)));
        }
    }
    Ok(None)
}

async fn one(tx: &mut Tx, id: UserId) -> Result<Option<UserNames>, StoreError> {
    let found = names::users(tx, UserId(id.0 - 1), 1).await?;
    Ok(found.into_iter().find(|user| user.id == id))
}

/// As `store::users` writes it: that of a deleted account contains a space.
fn key(user: &UserNames) -> String {
    match user.is_deleted {
        true => format!("{} ", user.username),
        false => fold(&user.username),
    }
}

fn logins(user: &UserNames) -> BTreeSet<String> {
    let names = [&user.username, &user.email].into_iter().filter(|name| !name.is_empty());
    let names = names.filter(|_| !user.is_deleted);
    names.map(|name| fold(name)).collect()
}

fn missing(user: &UserNames) -> Vec<String> {
    logins(user).difference(&set(user.login_names.as_deref())).cloned().collect()
}

fn entry(user: &UserNames) -> IndexEntry {
    IndexEntry::of(&user.username, &user.first_name, &user.last_name)
}

fn set(list: Option<&str>) -> BTreeSet<String> {
    let list = list.unwrap_or_default().split(SEPARATOR);
    list.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

async fn groups(checkup: &mut Checkup<'_>) -> Result<()> {
    const REPAIR: &str = "indexes the group again";
    let mut after = ChatId(i64::MIN);
    loop {
        let batch = names::groups(checkup.db, after, BATCH).await?;
        let Some(last) = batch.last() else { return Ok(()) };
        after = last.id;
        for group in batch.iter().filter(|group| group.is_misindexed()) {
            let remedy = match checkup.fix {
                false => Remedy::Repairable(REPAIR.to_owned()),
                true if index_group(checkup, group).await? => Remedy::Repaired(REPAIR.to_owned()),
                true => continue,
            };
            let text = "the text by which the group is found does not follow from its name";
            checkup.add("group-search", format!("chat {}", group.id), text.to_owned(), remedy);
        }
    }
}

async fn index_group(checkup: &Checkup<'_>, group: &GroupName) -> Result<bool, StoreError> {
    let mut tx = checkup.db.begin().await?;
    chats::lock(&mut tx, group.id).await?;
    let found = names::groups(&mut tx, ChatId(group.id.0 - 1), 1).await?;
    let found = found.into_iter().find(|one| one.id == group.id && one.is_misindexed());
    let Some(found) = found else { return Ok(false) };
    search::index_group(&mut tx, found.id, &found.name).await?;
    tx.commit().await?;
    Ok(true)
}
