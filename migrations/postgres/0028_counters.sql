-- How busy the nodes were, minute by minute, for the overview of the admin site; and numbers that take long to count.
-- Runs beside: 0015
create table counters (
    -- The beginning of the minute.
    minute timestamptz not null,
    -- The run of a program that counted.
    node text not null,
    messages bigint not null,
    logins bigint not null,
    -- Answers of 500 and more.
    errors bigint not null,
    -- The most that were open at once.
    sockets bigint not null,
    primary key (minute, node)
);
create table figures (
    name text primary key,
    value bigint not null,
    counted_at timestamptz not null
);
