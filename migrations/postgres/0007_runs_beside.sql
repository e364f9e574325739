-- Which older versions may run beside the database after a migration, so that they can ask.
-- Runs beside: 0006
alter table migrations add column runs_beside text;
