-- How busy the nodes were, minute by minute, for the overview of the admin site; and numbers that take long to count.
-- Runs beside: 0015
create table counters (
    -- The beginning of the minute.
    minute integer not null,
    -- The run of a program that counted.
    node text not null,
    messages integer not null,
    logins integer not null,
    -- Answers of 500 and more.
    errors integer not null,
    -- The most that were open at once.
    sockets integer not null,
    primary key (minute, node)
);
create table figures (
    name text primary key,
    value integer not null,
    counted_at integer not null
);
