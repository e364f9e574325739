-- Files that are sent with messages. A row without a message is an upload that was not sent yet. Several rows may have
-- one storage key: copies of a forwarded message share their bytes, which go with the last row.
-- Runs beside: 0015
create table attachments (
    id integer primary key autoincrement,
    owner_id integer not null references users (id),
    message_id integer references messages (id) on delete cascade,
    -- In the message.
    position integer not null default 0,
    name text not null,
    content_type text not null,
    size integer not null,
    -- Of the bytes, in hexadecimal.
    sha256 text not null,
    width integer,
    height integer,
    -- The media type of the thumbnail.
    thumbnail text,
    storage_key text not null,
    created_at integer not null
);
create index attachments_of_message on attachments (message_id) where message_id is not null;
create index attachments_of_owner on attachments (owner_id, size);
create index attachments_stored on attachments (storage_key);
create index attachments_unsent on attachments (created_at) where message_id is null;
