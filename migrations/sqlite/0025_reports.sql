-- What users report to the staff.
-- Runs beside: 0015
create table reports (
    id integer primary key autoincrement,
    reporter_id integer not null references users (id) on delete cascade,
    -- The reported user: of a message, its sender.
    user_id integer not null references users (id) on delete cascade,
    -- No reference: the copy outlives the message.
    message_id integer,
    -- The message as it was, as JSON.
    message_copy text,
    reason text not null,
    text text not null default '',
    status text not null default 'open',
    note text not null default '',
    created_at integer not null,
    handled_by integer references users (id) on delete set null,
    handled_at integer
);
create index reports_status on reports (status, id);
create index reports_user on reports (user_id);
create index reports_reporter on reports (reporter_id);
create index reports_handled_by on reports (handled_by) where handled_by is not null;
create index reports_handled on reports (handled_at) where handled_at is not null;
