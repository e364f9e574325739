-- Sessions of the admin site, whose cookie is stored as a hash. They have no tokens.
-- Runs beside: 0015
alter table sessions add column admin_hash text;
