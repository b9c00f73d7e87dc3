-- fingerprints_store
-- What a survey of the window $2 to $3 of the calculations $1 found, date by date. Dates that have nothing any more
-- stay, with nothing in them: whoever writes the ledger need not be allowed to delete from it.
with found as (
    select * from unnest($4::date[], $5::int8[], $6::int8[], $7::int8[], $8::text[], $9::text[])
        as f (settlement_date, source_rows, invalid, keys, checksum, counts)
), gone as (
    update recon.fingerprints f
    set source_rows = 0, invalid = 0, keys = 0, checksum = null, counts = '[]', first_date = $2::date,
        last_date = $3::date, source_mark = $10::text, taken_at = now()
    where f.calculations = $1::text and f.settlement_date between $2::date and $3::date
        and not exists (select from found where found.settlement_date = f.settlement_date)
)
insert into recon.fingerprints as f (calculations, settlement_date, first_date, last_date, source_rows, invalid, keys,
    checksum, counts, source_mark, taken_at)
select $1::text, settlement_date, $2::date, $3::date, source_rows, invalid, keys, nullif(checksum, ''), counts::jsonb,
    $10::text, now()
from found
on conflict (calculations, settlement_date) do update set
    first_date = excluded.first_date, last_date = excluded.last_date, source_rows = excluded.source_rows,
    invalid = excluded.invalid, keys = excluded.keys, checksum = excluded.checksum, counts = excluded.counts,
    source_mark = excluded.source_mark, taken_at = excluded.taken_at
