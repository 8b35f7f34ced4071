-- Grain: one person. Key: person_id.
-- Who people are: of each trait the latest value that an identify event gave (by event time, then
-- received_at, then id; an event that does not mention a trait does not erase it), and beside it, as
-- initial_..., the first. Guests are people too; they may have traits as well, from an identify call
-- without a user id. Consent is the latest answer (marts.consent_answers): NULL means that the person
-- never answered, false that they said no or something that cannot be read.
with events as (
    select * from marts.person_events
),

identifies as (
    select * from sources.identifies
),

answers as (
    select * from marts.consent_answers
),

user_ids as (
    select
        e.person_id,
        e.user_id,
        row_number() over (
            partition by e.person_id
            order by e."timestamp", e.received_at, e.id, e.received_at_utc_date
        ) as sequence_number
    from events as e
    where e.user_id is not null
),

people as (
    select
        e.person_id,
        count(*) as events,
        count(distinct e.user_id) as user_ids,
        count(distinct e.anonymous_id) as devices,
        min(e."timestamp") as first_seen_at,
        max(e."timestamp") as last_seen_at
    from events as e
    group by e.person_id
),

users as (
    select
        person_id,
        max_by(user_id, sequence_number) as user_id,
        min_by(user_id, sequence_number) as initial_user_id
    from user_ids
    group by person_id
),

traits as (
    select
        e.person_id,
        i.email,
        i.phone,
        i.name,
        i.first_name,
        i.last_name,
        i.gender,
        i.age,
        i.birthday,
        i.address_city as city,
        i.address_state as state,
        i.address_country as country,
        i.address_postal_code as postal_code,
        i.plan,
        i.created_at as account_created_at,
        row_number() over (
            partition by e.person_id
            order by e."timestamp", e.received_at, e.id, e.received_at_utc_date
        ) as sequence_number
    from identifies as i
    inner join events as e
        on i.id = e.id and i.received_at_utc_date = e.received_at_utc_date
),

profiles as (
    select
        person_id,
        max_by(email, sequence_number) filter (where email is not null) as email,
        max_by(phone, sequence_number) filter (where phone is not null) as phone,
        max_by(name, sequence_number) filter (where name is not null) as name,
        max_by(first_name, sequence_number) filter (where first_name is not null) as first_name,
        max_by(last_name, sequence_number) filter (where last_name is not null) as last_name,
        max_by(gender, sequence_number) filter (where gender is not null) as gender,
        max_by(age, sequence_number) filter (where age is not null) as age,
        max_by(birthday, sequence_number) filter (where birthday is not null) as birthday,
        max_by(city, sequence_number) filter (where city is not null) as city,
        max_by(state, sequence_number) filter (where state is not null) as state,
        max_by(country, sequence_number) filter (where country is not null) as country,
        max_by(postal_code, sequence_number) filter (where postal_code is not null) as postal_code,
        max_by(plan, sequence_number) filter (where plan is not null) as plan,
        max_by(account_created_at, sequence_number) filter (where account_created_at is not null)
            as account_created_at,
        min_by(email, sequence_number) filter (where email is not null) as initial_email,
        min_by(phone, sequence_number) filter (where phone is not null) as initial_phone,
        min_by(name, sequence_number) filter (where name is not null) as initial_name,
        min_by(first_name, sequence_number) filter (where first_name is not null) as initial_first_name,
        min_by(last_name, sequence_number) filter (where last_name is not null) as initial_last_name,
        min_by(gender, sequence_number) filter (where gender is not null) as initial_gender,
        min_by(age, sequence_number) filter (where age is not null) as initial_age,
        min_by(birthday, sequence_number) filter (where birthday is not null) as initial_birthday,
        min_by(city, sequence_number) filter (where city is not null) as initial_city,
        min_by(state, sequence_number) filter (where state is not null) as initial_state,
        min_by(country, sequence_number) filter (where country is not null) as initial_country,
        min_by(postal_code, sequence_number) filter (where postal_code is not null) as initial_postal_code,
        min_by(plan, sequence_number) filter (where plan is not null) as initial_plan
    from traits
    group by person_id
),

consents as (
    select
        a.person_id,
        bool_or(a.is_yes) filter (where a.channel = 'email') as consent_email,
        bool_or(a.is_yes) filter (where a.channel = 'sms') as consent_sms,
        bool_or(a.is_yes) filter (where a.channel = 'push') as consent_push,
        max(a."timestamp") filter (where a.channel = 'email') as consent_email_at,
        max(a."timestamp") filter (where a.channel = 'sms') as consent_sms_at,
        max(a."timestamp") filter (where a.channel = 'push') as consent_push_at
    from answers as a
    where a.is_latest
    group by a.person_id
)

select
    p.person_id,
    u.user_id,
    t.email,
    t.phone,
    t.name,
    t.first_name,
    t.last_name,
    t.gender,
    t.age,
    t.birthday,
    parse_bigint(
        nullif(regexp_extract(t.birthday, '^[ \t\r\n]*(?:[0-9]{4}|-)-(0[1-9]|1[0-2])-[0-9]{2}', 1), '')
    ) as birthday_month,
    t.city,
    t.state,
    t.country,
    t.postal_code,
    t.plan,
    c.consent_email,
    c.consent_sms,
    c.consent_push,
    u.user_id is not null as is_identified,
    u.initial_user_id,
    t.initial_email,
    t.initial_phone,
    t.initial_name,
    t.initial_first_name,
    t.initial_last_name,
    t.initial_gender,
    t.initial_age,
    t.initial_birthday,
    t.initial_city,
    t.initial_state,
    t.initial_country,
    t.initial_postal_code,
    t.initial_plan,
    p.user_ids,
    p.devices,
    p.events,
    t.account_created_at,
    c.consent_email_at,
    c.consent_sms_at,
    c.consent_push_at,
    p.first_seen_at,
    p.last_seen_at
from people as p
left join users as u
    on p.person_id = u.person_id
left join profiles as t
    on p.person_id = t.person_id
left join consents as c
    on p.person_id = c.person_id
