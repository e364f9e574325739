-- What is stored stays right when a clock is not.
-- Runs beside: 0006

-- Chat lists are ordered by the id of the newest message. A chat without messages takes its place among
-- these ids: it uses up the next one.
alter table chats add column first_activity bigint;
alter table chats alter column first_activity set default nextval('messages_id_seq');
update chats set first_activity = placed.activity
from (select id, coalesce(max(last_message_id) over (order by active_at, id), 0) as activity
      from chats) placed
where placed.id = chats.id and chats.last_message_id is null;

-- Looked up when versions are missing.
create index departures_version on departures (chat_id, version);

-- Tokens whose spending is dated in the future are removed.
create index spent_refreshes_spent on spent_refreshes (spent_at);

-- Up to which moment old rows were removed. It moves a little at a time, so that a clock that is far ahead
-- does not remove what is still valid.
alter table site add column aged_until timestamptz not null default now();
