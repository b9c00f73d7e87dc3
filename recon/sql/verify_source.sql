-- One row per settlement date: its keys and the sum of their fingerprints, as the server sees them now.
select settlement_date, count(*) as keys, sum(fingerprint)::text as fingerprint
from ({keys}) k
group by settlement_date
