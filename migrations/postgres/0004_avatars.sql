-- Pictures: which files are still somebody's, asked before old ones are removed.

create index users_avatar on users (avatar) where avatar is not null;
create index chats_avatar on chats (avatar) where avatar is not null;
