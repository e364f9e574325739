-- Pinned messages. At most a hundred in a chat, so their index is small; it lists them.
-- Runs beside: 0015
alter table messages add column pinned_at timestamptz;
create index if not exists messages_pinned on messages (chat_id, pinned_at) where pinned_at is not null;
