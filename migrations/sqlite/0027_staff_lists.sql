-- The lists of the admin site: each is in the order of an index, whatever it is filtered by.
-- Runs beside: 0015
create index if not exists users_listed_name on users (is_active, username_key) where deleted_at is null;
create index if not exists users_listed_joined on users (is_active, date_joined, id) where deleted_at is null;
create index if not exists users_listed_seen on users (is_active, coalesce(last_seen, 0), id) where deleted_at is null;
-- Few. Its order has no other index, so that it is used.
create index if not exists users_privileged on users (is_superuser, is_staff, id) where is_staff or is_superuser;
create index if not exists chats_listed_age on chats (type, id) where deleted_at is null;
create index if not exists chats_listed_size on chats (type, members_count, id) where deleted_at is null;
-- A part of the name: a normalised one can be too long for an index of PostgreSQL.
create index if not exists chats_listed_name on chats (substr(search_text, 1, 64), id)
    where type = 'group' and deleted_at is null;
create index if not exists reports_about on reports (user_id, id);
create index if not exists audit_at on audit (at, id);
create index if not exists audit_actor on audit (actor_id, at, id);
create index if not exists audit_action on audit (action, at, id);
create index if not exists audit_actor_action on audit (actor_id, action, at, id);
create index if not exists audit_target on audit (target_id, at, id);
