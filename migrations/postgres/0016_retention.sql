-- Messages of a chat before this one are removed: no answer has them any more, and their rows are deleted in batches.
-- Runs beside: 0015
alter table chats add column first_seq bigint not null default 1;
