-- Who has a password. A login under an unknown name costs the work of one of theirs, which is found
-- without reading past the accounts that were imported without one (`!...`).
-- Runs beside: 0006
create index users_usable_password on users (id) where substr(password, 1, 1) <> '!';
