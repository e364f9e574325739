-- Who is connected where, as the nodes tell each other.

-- A node that has not been heard of for a while is dead, and with it all that it told.
create table nodes (
    name text primary key,
    beat_at timestamptz not null
);

create table presence (
    user_id bigint not null references users (id) on delete cascade,
    node text not null references nodes (name) on delete cascade,
    -- How many of the user's connections the node has.
    connections bigint not null,
    -- Whether the user is away from all of them.
    idle boolean not null,
    primary key (user_id, node)
);
create index presence_node on presence (node);
