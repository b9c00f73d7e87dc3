-- What stored_sums.sql says (`sums`) of the calculations that are not told by their version, and of a scope the number of
-- all rows of each settlement date, as a row that is neither new nor old: as of one moment, which only one statement has.
select settlement_date, miner_model, is_new, rows, checksum, contents, satoshi, lowest, highest from ({sums}) sums
union all
select settlement_date, null, null, count(*), null, null, null, null, null
from {stored} c
where {within}
group by settlement_date
