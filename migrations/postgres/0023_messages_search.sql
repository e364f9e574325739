-- The index for searching messages. Its terms and bytes are those of src/domain/fulltext.rs; the database only stores
-- them. It is filled in the background, so messages from before this migration are found once it has reached them.
-- Runs beside: 0015
create table search_state (
    id bigint primary key check (id = 1),
    -- By which rules the index was made.
    rules bigint not null default 0,
    -- All messages up to this one are indexed.
    indexed_upto bigint not null default 0,
    next_segment bigint not null default 1,
    -- The node that writes the index, until when nobody else may, and which of all these times it is: a node
    -- whose number is outdated writes nothing.
    holder text not null default '',
    generation bigint not null default 0,
    held_until timestamptz not null default 'epoch'
);
insert into search_state (id) values (1);

create table search_segments (
    id bigint primary key,
    -- Later content of a message is in a segment with a greater age.
    age bigint not null,
    newest_id bigint not null,
    bytes bigint not null,
    made_at timestamptz not null,
    -- Since when another one has what this one had. Searches that began before still read it.
    retired_at timestamptz,
    zones bytea not null
);

create table search_pages (
    segment_id bigint not null,
    first_term text collate "C" not null,
    data bytea not null,
    primary key (segment_id, first_term)
);
-- It does not become smaller.
alter table search_pages alter column data set storage external;

-- Messages whose content has changed.
create table search_changes (
    id bigint generated always as identity primary key,
    message_id bigint not null
);

-- A trigger, because a node of an earlier version edits messages, too.
create function note_content_change() returns trigger language plpgsql as $$
begin
    insert into search_changes (message_id) values (new.id);
    return null;
end
$$;
create trigger messages_content_changed after update of content on messages
for each row when (new.content <> old.content and new.content <> '')
execute function note_content_change();
