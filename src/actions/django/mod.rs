//! Imports a Django site into an empty database: accounts with their passwords, chats, messages and pictures,
//! under their ids. All or nothing: if something does not fit and would be lost, nothing is imported, unless
//! the operator wants it converted. What each field becomes is in `docs/from-django.md`.

mod chats;
mod fields;
mod messages;
mod pictures;
mod report;
mod rows;
mod users;

use crate::actions::epoch::new_epoch;
use crate::actions::imports::refuse_unless_empty;
use crate::actions::transfer::TransferError;
use crate::domain::time::Timestamp;
use crate::media::files::Files;
use crate::store::django::DjangoDatabase;
use crate::store::load::Load;
use crate::store::{Db, django_rest, migrations, site};

use chats::Chats;
use fields::DjangoLayout;
use messages::Earlier;
pub use report::{DjangoEvent, DjangoOptions, DjangoOutcome, Misfit, OnDjangoEvent};
use report::{ImportStep, Report};
use users::Users;

/// Where to import to.
#[derive(Clone, Copy, Debug)]
pub struct NewSite<'a> {
    /// An empty database.
    pub db: &'a Db,
    /// Where pictures are stored.
    pub files: &'a Files,
    /// The time.
    pub now: Timestamp,
}

/// Imports a Django site.
pub async fn import(
    django: &mut DjangoDatabase,
    to: NewSite<'_>,
    options: &DjangoOptions,
    on_event: OnDjangoEvent<'_>,
) -> Result<DjangoOutcome, TransferError> {
    let mut report = Report { on_event, losses: 0, step: ImportStep::default() };
    let layout = DjangoLayout::read(django).await?.map_err(TransferError::Refused)?;
    for column in &layout.ignored {
        report.note("column", column.clone(), "it is not imported");
    }
    refuse_unless_empty(&mut Load::begin(to.db).await?, to.now).await?;
    migrations::migrate(to.db, to.now, |_| {}).await?;
    let mut load = Load::begin(to.db).await?;
    // Somebody may have been faster.
    refuse_unless_empty(&mut load, to.now).await?;
    let mut stored = Vec::new();
    let filled = fill(django, &mut load, to, options, &layout, &mut report, &mut stored).await;
    let done = match filled {
        Ok(mut outcome) if outcome.losses == 0 || options.convert => {
            outcome.committed = true;
            load.commit().await.map(|()| outcome).map_err(TransferError::from)
        }
        done => done,
    };
    if !done.as_ref().is_ok_and(|outcome| outcome.committed) {
        for path in &stored {
            // Otherwise the server's sweep removes it.
            to.files.remove(path).await.ok();
        }
    }
    done
}

/// Inserts everything.
async fn fill(
    django: &mut DjangoDatabase,
    load: &mut Load,
    to: NewSite<'_>,
    options: &DjangoOptions,
    layout: &DjangoLayout,
    report: &mut Report<'_>,
    stored: &mut Vec<String>,
) -> Result<DjangoOutcome, TransferError> {
    let users = Users::import(django, load, report, to.now).await?;
    let chats = Chats::import(django, load, &users, report, to.now).await?;
    let before =
        Earlier { users: &users, chats: &chats, layout, message_length: options.message_length };
    let (messages, last) = messages::import(django, load, before, report).await?;
    django_rest::complete(load.tx()).await?;
    let media = options.media.as_deref();
    report.begin("pictures", (users.pictures.len() + chats.pictures.len()) as u64);
    for (pictures, of_users) in [(&users.pictures, true), (&chats.pictures, false)] {
        pictures::import(pictures, of_users, media, to.files, load, report, stored).await?;
    }
    for (table, id) in [("users", users.last), ("chats", chats.last), ("messages", last)] {
        load.set_last_id(table, id).await?;
    }
    let old = site::epoch(load.tx()).await?;
    let new = new_epoch().map_err(|error| TransferError::Refused(error.cause().to_string()))?;
    site::renew_epoch(load.tx(), &old, &new).await?;
    Ok(DjangoOutcome {
        users: users.len() as u64,
        chats: chats.all.len() as u64,
        messages,
        pictures: stored.len() as u64,
        losses: report.losses,
        committed: false,
    })
}
