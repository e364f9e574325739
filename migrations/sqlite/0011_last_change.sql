-- What a message's last change was: 'created', 'edited', 'deleted', or a kind that a later version adds (no
-- check constraint, so that adding one needs no new table on SQLite). Null in rows written before this
-- migration, and by an older program that runs beside it; for these it is inferred.
-- Runs beside: 0006
alter table messages add column last_change text;
