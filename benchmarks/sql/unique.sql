-- How many valid unique indexes over the four key columns there are.
select count(*)::int4
from pg_index
where indrelid = 'historical_bitcoin_calculations'::regclass and indisunique and indisvalid and indpred is null
  and indnatts = 4
