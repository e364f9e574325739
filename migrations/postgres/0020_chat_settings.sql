-- A chat's settings, which only the member sees: they end with the membership.
-- Runs beside: 0015
alter table members add column muted_until timestamptz;
alter table members add column pinned boolean not null default false;
alter table members add column archived boolean not null default false;
-- The account version that the last change of these made. No index, as for `account_version`.
alter table members add column settings_version bigint not null default 0;
