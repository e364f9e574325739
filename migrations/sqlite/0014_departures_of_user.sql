-- Read at every connect: which chats the user has left lately. Without it, each connect reads all departures of the
-- last minutes, of which a large group that ends leaves ten thousand.
-- Runs beside: 0012
create index if not exists departures_of_user on departures (user_id, at);
