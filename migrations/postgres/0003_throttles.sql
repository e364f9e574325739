-- How much of a shared allowance is used, such as that of logging in to one account: every node
-- counts in the same row.

create table throttles (
    -- A hash: what is counted can be somebody's address.
    key text primary key,
    -- When the whole allowance will be there again, in microseconds since the epoch.
    full_at bigint not null
);
create index throttles_full_at on throttles (full_at);
