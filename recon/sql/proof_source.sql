-- One row per settlement date of the curtailment: rows, keys and the exact energy of what can be priced.
select settlement_date, count(*) as curtailment_rows,
    count(distinct (settlement_period, farm_id)) filter (where {priceable}) as keys,
    trim_scale(coalesce(sum(abs({volume})) filter (where {priceable}), 0))::text as energy_mwh
from {source} s
where settlement_date between {first} and {last}
group by settlement_date
order by settlement_date
