-- Retired refresh tokens, and how many groups somebody has made.
-- Runs beside: 0006

-- Set where a change of the password retired the token: it is refused, and not taken for a stolen
-- one. Such a row stays for as long as its session.
alter table spent_refreshes add column retired boolean not null default false;

-- The groups that a user has made and that have not ended are counted when one more is made.
create index chats_made on chats (created_by) where type = 'group' and deleted_at is null;
