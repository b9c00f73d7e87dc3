least(greatest(coalesce(q.settlement_date, date '0001-01-01'), date '0001-01-01'), date '9999-12-31')
