-- A page of a chat's members, in their order. Sends and read markers change none of these columns, so on PostgreSQL
-- members' rows are still updated in place.
-- Runs beside: 0012
create index if not exists members_listed on members
    (chat_id, (case role when 'owner' then 0 when 'admin' then 1 else 2 end), joined_at, user_id);
