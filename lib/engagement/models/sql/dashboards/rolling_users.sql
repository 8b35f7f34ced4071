-- Grain: one calendar day, local, as in daily_overview. Key: day.
-- Meaning: persons with an event on the day, and in the 7 and 30 days that end on it, each once. A person
-- counts from a day of theirs until 7 (30) days on, or until their next day, whichever is earlier: one
-- step up and one down per day of a person, so no day is counted twice and no pair of days is joined.
-- A window that begins before the first day with data is not complete; stickiness is then NULL.
with person_days as (
    select * from marts.person_days
),

daily_overview as (
    select * from marts.daily_overview
),

followed as (
    select
        p.person_id,
        p.day,
        date_diff(
            'day', p.day, lead(p.day) over (partition by p.person_id order by p.day)
        ) as days_to_next
    from person_days as p
),

windows as (
    select w.window_days from (values (1), (7), (30)) as w (window_days)
),

steps as (
    select
        w.window_days,
        f.day,
        count(*) as change
    from followed as f
    cross join windows as w
    group by w.window_days, f.day
    union all
    select
        w.window_days,
        cast(
            date_add('day', least(coalesce(f.days_to_next, w.window_days), w.window_days), f.day) as date
        ) as day,
        -1 * count(*) as change
    from followed as f
    cross join windows as w
    group by
        w.window_days,
        cast(
            date_add('day', least(coalesce(f.days_to_next, w.window_days), w.window_days), f.day) as date
        )
    union all
    select
        w.window_days,
        d.day,
        0 as change
    from daily_overview as d
    cross join windows as w
),

changes as (
    select
        s.window_days,
        s.day,
        sum(s.change) as change
    from steps as s
    group by s.window_days, s.day
),

running as (
    select
        c.window_days,
        c.day,
        sum(c.change) over (
            partition by c.window_days order by c.day rows between unbounded preceding and current row
        ) as persons
    from changes as c
),

counted as (
    select
        r.day,
        sum(case when r.window_days = 1 then r.persons end) as dau,
        sum(case when r.window_days = 7 then r.persons end) as wau,
        sum(case when r.window_days = 30 then r.persons end) as mau
    from running as r
    group by r.day
),

first_day as (
    select min(d.day) as day from daily_overview as d
),

judged as (
    select
        d.day,
        d.is_complete,
        d.is_settled,
        cast(date_add('day', -6, d.day) as date) >= f.day as is_wau_complete,
        cast(date_add('day', -29, d.day) as date) >= f.day as is_mau_complete,
        cast(c.dau as bigint) as dau,
        cast(c.wau as bigint) as wau,
        cast(c.mau as bigint) as mau
    from daily_overview as d
    cross join first_day as f
    inner join counted as c on d.day = c.day
)

select
    j.day,
    j.is_complete,
    j.is_settled,
    j.is_wau_complete,
    j.is_mau_complete,
    j.dau,
    j.wau,
    j.mau,
    case when j.is_mau_complete then round(cast(j.dau as double) / nullif(j.mau, 0), 4) end as stickiness,
    case
        when j.is_wau_complete then round(cast(j.dau as double) / nullif(j.wau, 0), 4)
    end as weekly_stickiness
from judged as j
