-- The account's version: the number of the latest durable change of what only the user sees.
-- Runs beside: 0006
alter table users add column account_version integer not null default 0;
-- The account version that the last change of the profile or availability made.
alter table users add column profile_version integer not null default 0;
-- The account version that the last move of the member's read marker made; sending does not count. No index: on
-- PostgreSQL each move would then write to every index of the table. What changed is found among the user's
-- own rows, and only when the account's version has changed.
alter table members add column account_version integer not null default 0;
