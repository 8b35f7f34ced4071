-- Grain: one answer to the question of consent. Key: id, received_at_utc_date, channel.
-- Meaning: every value, neither NULL nor blank, that an identify gave for the trait of a channel
-- (parameter consent.traits), and how it is read. It is trimmed and put in lower case; '-', '_' and
-- runs of blanks become one blank each. seeds.consent_words then says yes or no. Any other value is
-- unreadable and counts as no. The latest answer (by event time, received_at, id) counts.
with identifies as (
    select * from sources.identifies
),

events as (
    select * from marts.person_events
),

consent_words as (
    select * from seeds.consent_words
),

-- A team may write its own words with hyphens or underscores: they are compared as answers are.
listed as (
    select
        regexp_replace(
            regexp_replace(lower(cw.word), '^[ \t\r\n]+|[ \t\r\n]+\z', ''), '[-_ \t\r\n]+', ' '
        ) as word,
        cw.is_yes
    from consent_words as cw
),

-- Where two rows then say different things of one word, it means no.
words as (
    select
        l.word,
        bool_and(l.is_yes) as is_yes
    from listed as l
    group by l.word
),

asked as (
    select
        i.id,
        i.received_at_utc_date,
        e.person_id,
        cast(case a.place when 1 then 'email' when 2 then 'sms' else 'push' end as varchar) as channel,
        regexp_replace(
            regexp_replace(
                lower(a.answer),
                '^[ \t\r\n\x0b\x0c\x{a0}\x{3000}]+|[ \t\r\n\x0b\x0c\x{a0}\x{3000}]+\z',
                ''
            ),
            '[-_ \t\r\n\x0b\x0c\x{a0}\x{3000}]+',
            ' '
        ) as answer,
        e."timestamp",
        e.received_at
    from identifies as i
    inner join events as e
        on i.id = e.id and i.received_at_utc_date = e.received_at_utc_date
    cross join
        unnest(array[i.consent_email, i.consent_sms, i.consent_push]) with ordinality as a (answer, place)
    where regexp_like(a.answer, '[^ \t\r\n\x0b\x0c\x{a0}\x{3000}]')
)

select
    a.id,
    a.received_at_utc_date,
    a.channel,
    a.person_id,
    -- What is no word of the list is shown only if it looks like words: the rest may be an address.
    cast(
        case
            when w.word is not null or regexp_like(a.answer, '^[a-z][a-z ]{0,38}[a-z]\z') then a.answer
            when regexp_like(a.answer, '^ ?[+]?[0-9]{1,3}([.][0-9]{1,3})?\z') then a.answer
            when regexp_like(a.answer, '^ ?[+]?[0-9.]+(e ?[+]?[0-9]+)?\z') then '(number)'
            when regexp_like(a.answer, '^[0-9]{4} [0-9]{2} [0-9]{2}(t|\z)') then '(date or time)'
            when regexp_like(a.answer, '^\[') then '(list)'
            else '(other text)'
        end as varchar
    ) as answer,
    coalesce(w.is_yes, false) as is_yes,
    w.word is not null as is_readable,
    row_number() over (
        partition by a.person_id, a.channel
        order by a."timestamp" desc, a.received_at desc, a.id desc, a.received_at_utc_date desc
    ) = 1 as is_latest,
    a."timestamp",
    a.received_at
from asked as a
left join words as w
    on a.answer = w.word
