//! The invariants of what few messages have: the summaries in `messages.extras` say what the rows of other tables do.

use super::check::{About, Check, Resolution, Tell};
use crate::store::query::Dialects;

/// The rows are the truth. Of each emoji the number of users and the first hundred are compared.
pub(super) const REACTIONS: Check = Check {
    name: "reaction-summary",
    about: About::Message,
    violations: Dialects {
        sqlite: "\
            select m.id, m.chat_id as other, \
                   coalesce((select sum(e.value ->> 'count') \
                             from json_each(m.extras, '$.reactions') e), 0) as has, \
                   (select count(*) from reactions r where r.message_id = m.id) as wants \
            from messages m where m.id > $1 and m.id <= $2 and m.deleted_at is null \
              and (m.extras is not null \
                   or exists (select 1 from reactions r where r.message_id = m.id)) \
              and ((select count(*) from json_each(m.extras, '$.reactions')) \
                       <> (select count(distinct r.emoji) from reactions r \
                           where r.message_id = m.id) \
                   or exists (select 1 from (select r.emoji, count(*) as n from reactions r \
                                             where r.message_id = m.id group by r.emoji) g \
                       where not exists (select 1 from json_each(m.extras, '$.reactions') e \
                           where e.value ->> 'emoji' = g.emoji and e.value ->> 'count' = g.n \
                             and e.value -> 'users' = (select json_group_array(f.user_id) \
                                 from (select r.user_id from reactions r \
                                       where r.message_id = m.id and r.emoji = g.emoji \
                                       order by r.id limit 100) f))))",
        postgres: "\
            select m.id, m.chat_id as other, \
                   coalesce((select sum((e.value ->> 'count')::bigint) \
                             from jsonb_array_elements(m.extras::jsonb -> 'reactions') e), 0) \
                       ::bigint as has, \
                   (select count(*) from reactions r where r.message_id = m.id) as wants \
            from messages m where m.id > $1 and m.id <= $2 and m.deleted_at is null \
              and (m.extras is not null \
                   or exists (select 1 from reactions r where r.message_id = m.id)) \
              and ((select count(*) from jsonb_array_elements(m.extras::jsonb -> 'reactions')) \
                       <> (select count(distinct r.emoji) from reactions r \
                           where r.message_id = m.id) \
                   or exists (select 1 from (select r.emoji, count(*) as n from reactions r \
                                             where r.message_id = m.id group by r.emoji) g \
                       where not exists (select 1 \
                           from jsonb_array_elements(m.extras::jsonb -> 'reactions') e \
                           where e.value ->> 'emoji' = g.emoji \
                             and (e.value ->> 'count')::bigint = g.n \
                             and e.value -> 'users' = (select jsonb_agg(f.user_id order by f.id) \
                                 from (select r.id, r.user_id from reactions r \
                                       where r.message_id = m.id and r.emoji = g.emoji \
                                       order by r.id limit 100) f))))",
    },
    text: "its summary of {has} reactions is not that of the {wants} that there are",
    resolution: Resolution::Repair {
        text: "makes the summary anew",
        statements: &[Dialects {
            sqlite: "\
                update messages set extras = json_set(coalesce(extras, '{}'), '$.reactions', json(( \
                    select json_group_array(json_object('emoji', g.emoji, 'count', g.n, \
                               'users', json(g.users))) \
                    from (select r.emoji, count(*) as n, \
                                 (select json_group_array(f.user_id) \
                                  from (select x.user_id from reactions x \
                                        where x.message_id = $1 and x.emoji = r.emoji \
                                        order by x.id limit 100) f) as users \
                          from reactions r where r.message_id = $1 group by r.emoji \
                          order by min(r.id)) g))) where id = $1",
            postgres: "\
                update messages set extras = (coalesce(extras, '{}')::jsonb \
                    || jsonb_build_object('reactions', ( \
                        select coalesce(jsonb_agg(jsonb_build_object('emoji', g.emoji, \
                                   'count', g.n, 'users', \
                                   (select jsonb_agg(f.user_id order by f.id) \
                                    from (select x.id, x.user_id from reactions x \
                                          where x.message_id = $1 and x.emoji = g.emoji \
                                          order by x.id limit 100) f)) order by g.first), '[]') \
                        from (select r.emoji, count(*) as n, min(r.id) as first from reactions r \
                              where r.message_id = $1 group by r.emoji) g)))::text \
                where id = $1",
        }],
        tell: Tell::Message,
    },
};

/// The rows repeat what the message shows, for counting. One that mentions everybody has one row, of the user 0.
pub(super) const MENTIONS: Check = Check {
    name: "message-mentions",
    about: About::Message,
    violations: Dialects {
        sqlite: "\
            select f.id, f.other from ( \
                select m.id, m.chat_id as other, \
                       (select json_group_array(n.user_id) \
                        from (select x.user_id from mentions x where x.message_id = m.id \
                              order by x.user_id) n) as has, \
                       case when m.extras ->> '$.mentions.all' then '[0]' \
                            else (select json_group_array(v.value) \
                                  from (select e.value from json_each(m.extras, '$.mentions.users') e \
                                        order by e.value) v) end as wants, \
                       exists (select 1 from mentions x where x.message_id = m.id \
                                 and (x.chat_id <> m.chat_id or x.seq <> m.seq)) as is_elsewhere \
                from messages m where m.id > $1 and m.id <= $2 and m.deleted_at is null \
                  and (m.extras is not null \
                       or exists (select 1 from mentions x where x.message_id = m.id))) f \
            where f.has <> f.wants or f.is_elsewhere",
        postgres: "\
            select f.id, f.other from ( \
                select m.id, m.chat_id as other, \
                       (select coalesce(jsonb_agg(x.user_id order by x.user_id), '[]') \
                        from mentions x where x.message_id = m.id) as has, \
                       case when m.extras::jsonb #>> '{mentions,all}' = 'true' then '[0]'::jsonb \
                            else (select coalesce(jsonb_agg(v.value::bigint \
                                                            order by v.value::bigint), '[]') \
                                  from jsonb_array_elements_text( \
                                      m.extras::jsonb #> '{mentions,users}') v) end as wants, \
                       exists (select 1 from mentions x where x.message_id = m.id \
                                 and (x.chat_id <> m.chat_id or x.seq <> m.seq)) as is_elsewhere \
                from messages m where m.id > $1 and m.id <= $2 and m.deleted_at is null \
                  and (m.extras is not null \
                       or exists (select 1 from mentions x where x.message_id = m.id))) f \
            where f.has <> f.wants or f.is_elsewhere",
    },
    text: "unread mentions do not count the members that it mentions",
    resolution: Resolution::Repair {
        text: "makes them count",
        statements: &[
            Dialects::both("delete from mentions where message_id = $1"),
            Dialects {
                sqlite: "\
                    insert into mentions (chat_id, user_id, seq, message_id) \
                    select m.chat_id, e.value, m.seq, m.id from messages m \
                    join json_each(case when m.extras ->> '$.mentions.all' then '[0]' \
                                        else m.extras -> '$.mentions.users' end) e \
                    where m.id = $1",
                postgres: "\
                    insert into mentions (chat_id, user_id, seq, message_id) \
                    select m.chat_id, e.value::bigint, m.seq, m.id from messages m \
                    cross join lateral jsonb_array_elements_text( \
                        case when m.extras::jsonb #>> '{mentions,all}' = 'true' then '[0]' \
                             else m.extras::jsonb #> '{mentions,users}' end) e \
                    where m.id = $1",
            },
        ],
        tell: Tell::Chat,
    },
};

/// Programs from before these existed leave them when they delete a message.
pub(super) const OF_TOMBSTONE: Check = Check {
    name: "tombstone-extras",
    about: About::Message,
    violations: Dialects::both(
        "select m.id, m.chat_id as other from messages m \
         where m.id > $1 and m.id <= $2 and m.deleted_at is not null \
           and (m.extras is not null or m.pinned_at is not null \
                or exists (select 1 from reactions r where r.message_id = m.id) \
                or exists (select 1 from mentions n where n.message_id = m.id))",
    ),
    text: "the message was deleted and still has reactions, mentions or a pin",
    resolution: Resolution::Repair {
        text: "removes them",
        statements: &[
            Dialects::both("delete from reactions where message_id = $1"),
            Dialects::both("delete from mentions where message_id = $1"),
            Dialects::both("update messages set extras = null, pinned_at = null where id = $1"),
        ],
        tell: Tell::Chat,
    },
};
