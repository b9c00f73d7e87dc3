-- One row per settlement date of the curtailment: rows, and of what can be priced the keys, the exact energy and a
-- checksum of the sorted keys with their energies, each one JSON array as in proof_stored.sql.
select settlement_date, sum(n)::int8 as curtailment_rows, count(mwh) as keys,
    trim_scale(coalesce(sum(mwh), 0))::text as energy_mwh,
    encode(sha256(convert_to(coalesce(string_agg(line, E'\n' order by line collate "C"), ''), 'UTF8')), 'hex') as checksum
from (
    select settlement_date, n, mwh,
        case when mwh is not null then json_build_array(settlement_period, farm_id, trim_scale(mwh)::text)::text end as line
    from (
        select settlement_date, settlement_period, farm_id, count(*) as n,
            sum(abs({volume})) filter (where {priceable}) as mwh
        from {source} s
        where settlement_date between {first} and {last}
        group by settlement_date, settlement_period, farm_id
    ) keys
) lines
group by settlement_date
order by settlement_date
