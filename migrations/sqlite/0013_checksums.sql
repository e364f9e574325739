-- The checksums of migrations as they were applied, so that one that is edited later is noticed. Filled in by the
-- program.
-- Runs beside: 0012
alter table migrations add column checksum text;
