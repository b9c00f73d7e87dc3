-- The results of some dates of run $1. A date that was done stays done: after a commit of unknown outcome the
-- second attempt finds nothing missing, and the first one's numbers are the true ones. What the plan says is missing is
-- a lower bound; what was filled is exact (`inserted` counts replaced rows, too).
update recon.run_dates d set
    status = case when d.status = 'done' and v.status = 'skipped' then d.status else v.status end,
    missing = greatest(d.missing, d.inserted + v.inserted - d.replaced - v.replaced),
    inserted = d.inserted + v.inserted,
    replaced = d.replaced + v.replaced,
    removed = d.removed + v.removed,
    attempts = d.attempts + v.attempts,
    seconds = d.seconds + v.seconds,
    error = v.error,
    btc = (
        select coalesce(jsonb_object_agg(model, bitcoin::text), jsonb_build_object())
        from (
            select key as model, sum(value::numeric) as bitcoin
            from (select * from jsonb_each_text(d.btc) union all select * from jsonb_each_text(v.btc::jsonb)) both_parts
            group by key
        ) sums),
    updated_at = now()
from unnest($2::date[], $3::text[], $4::int8[], $5::int4[], $6::float8[], $7::text[], $8::text[], $9::int8[], $10::int8[])
    as v (settlement_date, status, inserted, attempts, seconds, error, btc, replaced, removed)
where d.run_id = $1::text and d.settlement_date = v.settlement_date
returning d.settlement_date, d.status, d.missing, d.inserted, d.replaced, d.removed, d.attempts,
    d.seconds, d.error, d.btc::text as btc
