//! Which avatars are in use.

use std::collections::HashSet;

use meowsenger::store::{avatars, users};
use rstest::rstest;

use crate::support::{Backend, Store};

#[rstest]
#[tokio::test]
async fn a_picture_is_used_where_a_user_or_a_chat_names_it(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let Some(store) = Store::new(backend).await else { return };
    let (tom, kitty) = (store.user("tom").await, store.user("kitty").await);
    let chat = store.group(kitty, &[]).await;
    let mut tx = store.tx().await;
    for (user, avatar) in [(tom, "avatars/a'\".png"), (kitty, "avatars/b.png")] {
        let mut user = users::by_id(&mut tx, user).await.expect("read").expect("there");
        user.avatar = Some(avatar.to_owned());
        users::update(&mut tx, &user).await.expect("updated");
    }
    tx.query("update chats set avatar = $2 where id = $1")
        .bind(chat)
        .bind("avatars/c.png")
        .execute()
        .await
        .expect("updated");
    tx.commit().await.expect("committed");

    let paths = ["avatars/a'\".png", "avatars/c.png", "avatars/d.png", ""].map(str::to_owned);
    let used = avatars::used(&store.db, paths.to_vec()).await.expect("read");
    assert_eq!(used, HashSet::from_iter(paths[..2].iter().cloned()));
    assert!(avatars::used(&store.db, vec![]).await.expect("read").is_empty());
}
