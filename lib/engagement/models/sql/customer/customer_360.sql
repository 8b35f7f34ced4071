-- Grain: one person, guests and bots too. Key: person_id.
-- Meaning: everything that is known about a person, as of a date: who they are (marts.profiles), what
-- they did (customer_behaviour), bought (customer_purchases) and like (customer_interests).
-- Spend is net revenue, the values of an order are its revenue. A buyer has a kept order: neither
-- cancelled nor wholly refunded. Stages follow from the scores, and the segment refines the stage.
-- Bots' events are left out of what was done and bought, where the parameters say so; who is nothing but
-- a bot has zeros, and NULL for times. Traits and consent are what the profile says of everybody.
-- Windows of 7, 30, 90 and 365 days end on the as-of date and hold exactly that many days of the
-- reporting time zone. What a person never did is 0; what is not known is NULL. Churned at N means
-- that the last N days saw no event. A channel is addressable with an address for it, and reachable
-- with the person's consent too; the parameter consent.unanswered says what silence means.
with profiles as (
    select * from marts.profiles
),

customer_behaviour as (
    select * from marts.customer_behaviour
),

customer_purchases as (
    select * from marts.customer_purchases
),

customer_interests as (
    select * from marts.customer_interests
),

dated as (
    select
        pr.person_id,
        least(cast(local_time(pr.account_created_at, :timezone) as date), :as_of) as account_created_date
    from profiles as pr
),

aged as (
    select
        d.person_id,
        date_diff('day', d.account_created_date, :as_of) as days_since_account_created
    from dated as d
),

people as (
    select
        pr.person_id,
        pr.user_id,
        coalesce(pr.is_identified, false) as is_identified,
        pr.email,
        pr.phone,
        pr.first_name,
        pr.last_name,
        pr.gender,
        pr.age,
        pr.birthday_month,
        pr.city,
        pr.state,
        pr.country,
        pr.postal_code,
        lower(nullif(regexp_extract(pr.email, '@([^@ \t\r\n]+)[ \t\r\n]*\z', 1), '')) as email_domain,
        coalesce(regexp_like(pr.phone, '[0-9]'), false) as has_phone,
        pr.plan,
        pr.consent_email,
        pr.consent_sms,
        pr.consent_push,
        a.days_since_account_created,
        pr.account_created_at,
        pr.consent_email_at,
        pr.consent_sms_at,
        pr.consent_push_at
    from profiles as pr
    inner join aged as a on pr.person_id = a.person_id
)

select
    p.person_id,
    p.user_id,
    p.is_identified,
    coalesce(b.is_bot, false) as is_bot,
    cast(
        case
            when pu.recency_score is null and not p.is_identified then 'visitor'
            when pu.recency_score is null then 'lead'
            when pu.recency_score = 5 and pu.frequency_score = 1 then 'new'
            when pu.recency_score >= 3 then 'active'
            when pu.recency_score = 2 then 'at risk'
            else 'lapsed'
        end as varchar
    ) as lifecycle_stage,
    pu.rfm_segment,
    p.email,
    p.phone,
    p.first_name,
    p.last_name,
    p.gender,
    p.age,
    p.birthday_month,
    p.city,
    p.state,
    p.country,
    p.postal_code,
    p.email_domain,
    p.plan,
    coalesce(b.has_mobile_app, false) as has_mobile_app,
    coalesce(b.is_active_on_web, false) as is_active_on_web,
    b.first_touch_channel,
    b.first_touch_source,
    b.first_touch_medium,
    b.first_touch_campaign,
    b.campaign_sources,
    pu.payment_methods,
    p.consent_email,
    p.consent_sms,
    p.consent_push,
    nullif(
        array_join(
            array[
                case when p.email_domain is not null then 'email' end,
                case when p.has_phone then 'sms' end,
                case when b.has_mobile_app then 'push' end
            ],
            '|'
        ),
        ''
    ) as addressable_channels,
    nullif(
        array_join(
            array[
                case
                    when p.email_domain is not null and coalesce(p.consent_email, :unanswered_is_yes)
                        then 'email'
                end,
                case
                    when p.has_phone and coalesce(p.consent_sms, :unanswered_is_yes) then 'sms'
                end,
                case
                    when b.has_mobile_app and coalesce(p.consent_push, :unanswered_is_yes) then 'push'
                end
            ],
            '|'
        ),
        ''
    ) as reachable_channels,
    pu.top_category_by_spend,
    pu.top_category_by_orders,
    i.favourite_category,
    i.favourite_brand,
    b.last_viewed_product_id,
    b.last_viewed_product_name,
    b.last_added_product_id,
    b.last_added_product_name,
    pu.first_order_date,
    pu.last_order_date,
    p.days_since_account_created,
    b.days_since_first_seen,
    b.days_since_last_seen,
    b.days_since_last_seen >= 7 as is_churned_7,
    b.days_since_last_seen >= 30 as is_churned_30,
    b.days_since_last_seen >= 90 as is_churned_90,
    b.days_since_last_seen >= 365 as is_churned_365,
    coalesce(b.active_days_7, 0) as active_days_7,
    coalesce(b.active_days_30, 0) as active_days_30,
    coalesce(b.active_days_90, 0) as active_days_90,
    coalesce(b.active_days_365, 0) as active_days_365,
    coalesce(b.active_days_total, 0) as active_days_total,
    coalesce(b.events_total, 0) as events_total,
    coalesce(b.sessions_7, 0) as sessions_7,
    coalesce(b.sessions_30, 0) as sessions_30,
    coalesce(b.sessions_90, 0) as sessions_90,
    coalesce(b.sessions_365, 0) as sessions_365,
    coalesce(b.sessions_total, 0) as sessions_total,
    b.mean_session_seconds_7,
    b.mean_session_seconds_30,
    b.mean_session_seconds_90,
    b.mean_session_seconds_365,
    b.mean_session_seconds,
    coalesce(b.products_viewed_7, 0) as products_viewed_7,
    coalesce(b.products_viewed_30, 0) as products_viewed_30,
    coalesce(b.products_viewed_90, 0) as products_viewed_90,
    coalesce(b.products_viewed_365, 0) as products_viewed_365,
    coalesce(b.products_viewed_total, 0) as products_viewed_total,
    coalesce(b.products_added_7, 0) as products_added_7,
    coalesce(b.products_added_30, 0) as products_added_30,
    coalesce(b.products_added_90, 0) as products_added_90,
    coalesce(b.products_added_365, 0) as products_added_365,
    coalesce(b.products_added_total, 0) as products_added_total,
    b.days_since_last_cart,
    coalesce(b.carts_7, 0) as carts_7,
    coalesce(b.carts_30, 0) as carts_30,
    coalesce(b.carts_90, 0) as carts_90,
    coalesce(b.carts_365, 0) as carts_365,
    coalesce(b.carts_total, 0) as carts_total,
    coalesce(b.abandoned_carts_7, 0) as abandoned_carts_7,
    coalesce(b.abandoned_carts_30, 0) as abandoned_carts_30,
    coalesce(b.abandoned_carts_90, 0) as abandoned_carts_90,
    coalesce(b.abandoned_carts_365, 0) as abandoned_carts_365,
    coalesce(b.abandoned_carts_total, 0) as abandoned_carts_total,
    pu.days_since_first_order,
    pu.days_since_last_order,
    pu.days_since_last_kept_order,
    coalesce(pu.orders_7, 0) as orders_7,
    coalesce(pu.orders_30, 0) as orders_30,
    coalesce(pu.orders_90, 0) as orders_90,
    coalesce(pu.orders_365, 0) as orders_365,
    coalesce(pu.orders_total, 0) as orders_total,
    coalesce(pu.kept_orders, 0) as kept_orders,
    coalesce(pu.valued_orders, 0) as valued_orders,
    coalesce(pu.unvalued_orders, 0) as unvalued_orders,
    coalesce(pu.cancelled_orders, 0) as cancelled_orders,
    coalesce(pu.refunded_orders, 0) as refunded_orders,
    coalesce(pu.coupon_orders, 0) as coupon_orders,
    pu.coupon_order_share,
    cast(coalesce(pu.spend_7, 0) as decimal(38, 2)) as spend_7,
    cast(coalesce(pu.spend_30, 0) as decimal(38, 2)) as spend_30,
    cast(coalesce(pu.spend_90, 0) as decimal(38, 2)) as spend_90,
    cast(coalesce(pu.spend_365, 0) as decimal(38, 2)) as spend_365,
    cast(coalesce(pu.spend_total, 0) as decimal(38, 2)) as spend_total,
    cast(coalesce(pu.refunds_total, 0) as decimal(38, 2)) as refunds_total,
    pu.mean_order_value,
    pu.median_order_value,
    pu.highest_order_value,
    pu.last_order_value,
    pu.units_per_order,
    pu.mean_days_between_orders,
    coalesce(pu.units_bought, 0) as units_bought,
    coalesce(pu.products_bought, 0) as products_bought,
    coalesce(pu.categories_bought, 0) as categories_bought,
    pu.recency_score,
    pu.frequency_score,
    pu.monetary_score,
    pu.expected_value,
    i.favourite_category_share,
    i.favourite_brand_share,
    p.account_created_at,
    p.consent_email_at,
    p.consent_sms_at,
    p.consent_push_at,
    b.first_seen_at,
    b.last_seen_at,
    b.last_viewed_at,
    b.last_added_at
from people as p
left join customer_behaviour as b on p.person_id = b.person_id
left join customer_purchases as pu on p.person_id = pu.person_id
left join customer_interests as i on p.person_id = i.person_id
