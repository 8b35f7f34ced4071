-- Grain: one kept event. Key: id, received_at_utc_date.
-- What each event's context says of the device, the page and the campaign, whatever kind of event it
-- is. A page event's own properties are used where its context is silent; a screen's name stands for
-- its path. Each UTM parameter is taken from the context's campaign, else from the query string of the
-- page. What follows # in an address is never read as parameters, and a blank value is none.
with pages as (
    select * from sources.pages
),

screens as (
    select * from sources.screens
),

tracks as (
    select * from sources.tracks
),

identifies as (
    select * from sources.identifies
),

groups as (
    select * from sources.groups
),

aliases as (
    select * from sources.aliases
),

contexts as (
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_timezone as timezone,
        context_geo_country as geo_country,
        context_location_country as location_country,
        context_session_id as sdk_session_id,
        coalesce(context_page_url, url) as page_url,
        coalesce(context_page_path, path) as page_path,
        coalesce(context_page_title, title) as page_title,
        context_page_search as page_search,
        coalesce(context_page_referrer, referrer) as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from pages
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_timezone as timezone,
        context_geo_country as geo_country,
        context_location_country as location_country,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        name as page_path,
        name as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from screens
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_timezone as timezone,
        context_geo_country as geo_country,
        context_location_country as location_country,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        context_page_path as page_path,
        context_page_title as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from tracks
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_timezone as timezone,
        context_geo_country as geo_country,
        context_location_country as location_country,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        context_page_path as page_path,
        context_page_title as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from identifies
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_timezone as timezone,
        context_geo_country as geo_country,
        context_location_country as location_country,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        context_page_path as page_path,
        context_page_title as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from groups
    union all
    select
        id,
        received_at_utc_date,
        channel,
        context_user_agent as user_agent,
        context_locale as locale,
        context_os_name as os_name,
        context_timezone as timezone,
        context_geo_country as geo_country,
        context_location_country as location_country,
        context_session_id as sdk_session_id,
        context_page_url as page_url,
        context_page_path as page_path,
        context_page_title as page_title,
        context_page_search as page_search,
        context_page_referrer as page_referrer,
        context_page_referring_domain as page_referring_domain,
        context_campaign_source as campaign_source,
        context_campaign_medium as campaign_medium,
        context_campaign_name as campaign_name,
        context_campaign_term as campaign_term,
        context_campaign_content as campaign_content
    from aliases
),

located as (
    select
        id,
        received_at_utc_date,
        channel,
        user_agent,
        locale,
        os_name,
        timezone,
        coalesce(
            nullif(regexp_replace(geo_country, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), ''),
            nullif(regexp_replace(location_country, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), '')
        ) as geo_country,
        sdk_session_id,
        page_url,
        coalesce(
            page_path, nullif(regexp_extract(page_url, '^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*(/[^?#]*)', 1), '')
        ) as page_path,
        page_title,
        coalesce(
            case
                when strpos(page_search, '#') > 0
                    then '?' || nullif(regexp_extract(page_search, '^[?]?([^?#][^#]*)', 1), '')
                when page_search like '?_%' then page_search
                when page_search not in ('', '?') then '?' || page_search
            end,
            case
                when strpos(page_url, '?') > 0
                    then nullif(regexp_extract(page_url, '^[^?#]*([?][^#]+)', 1), '')
            end
        ) as page_query,
        url_host(page_url) as page_host,
        coalesce(url_host(page_referrer), url_host('https://' || page_referring_domain)) as referrer_host,
        campaign_source,
        campaign_medium,
        campaign_name,
        campaign_term,
        campaign_content
    from contexts
),

-- Few addresses have UTM parameters: only those are searched for each of them.

searched as (
    select
        id,
        received_at_utc_date,
        channel,
        user_agent,
        locale,
        os_name,
        timezone,
        geo_country,
        sdk_session_id,
        page_url,
        page_path,
        page_title,
        page_query,
        page_host,
        referrer_host,
        nullif(regexp_replace(campaign_source, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), '') as campaign_source,
        nullif(regexp_replace(campaign_medium, '^[ \t\r\n]+|[ \t\r\n]+\z', ''), '') as campaign_medium,
        campaign_name,
        campaign_term,
        campaign_content,
        case when strpos(page_query, 'utm_') > 0 then page_query end as utm_query
    from located
)

select
    id,
    received_at_utc_date,
    channel,
    user_agent,
    locale,
    os_name,
    timezone,
    geo_country,
    sdk_session_id,
    page_url,
    page_path,
    page_title,
    page_query,
    page_host,
    referrer_host,
    lower(
        coalesce(
            campaign_source,
            nullif(
                regexp_replace(url_parameter(utm_query, 'utm_source'), '^[ \t\r\n]+|[ \t\r\n]+\z', ''), ''
            )
        )
    ) as utm_source,
    lower(
        coalesce(
            campaign_medium,
            nullif(
                regexp_replace(url_parameter(utm_query, 'utm_medium'), '^[ \t\r\n]+|[ \t\r\n]+\z', ''), ''
            )
        )
    ) as utm_medium,
    case
        when regexp_like(campaign_name, '[^ \t\r\n]') then campaign_name
        when regexp_like(url_parameter(utm_query, 'utm_campaign'), '[^ \t\r\n]')
            then url_parameter(utm_query, 'utm_campaign')
    end as utm_campaign,
    coalesce(campaign_term, url_parameter(utm_query, 'utm_term')) as utm_term,
    coalesce(campaign_content, url_parameter(utm_query, 'utm_content')) as utm_content
from searched
