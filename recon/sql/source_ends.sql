-- source_ends
-- The first and the last settlement date of the curtailment; null where it is empty.
select min(settlement_date) as first_date, max(settlement_date) as last_date from {source} s
