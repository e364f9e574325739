-- Which users block which others. A block that was ended stays as a row, so that devices that were away learn of it.
-- Runs beside: 0015
create table blocks (
    user_id bigint not null references users (id) on delete cascade,
    target_id bigint not null references users (id) on delete cascade,
    active boolean not null,
    -- The version of the user's account that the last change made.
    account_version bigint not null,
    changed_at timestamptz not null,
    primary key (user_id, target_id)
);
create index blocks_target on blocks (target_id) where active;
create index blocks_changed on blocks (changed_at);
-- Whether the user has ever blocked anybody or been blocked: from all others, blocks cost no query.
alter table users add column in_blocks boolean not null default false;
-- Copies for the private chats of the two, which a send reads anyway.
alter table chats add column low_blocks boolean not null default false;
alter table chats add column high_blocks boolean not null default false;
