-- A look at all of both tables: rows, first and last date (as text: it may be infinite).
select (select count(*) from {source} s)::int8 as source_rows, (select count(*) from {stored} c)::int8 as stored_rows,
    (select min(settlement_date)::text from {source} s) as first_date, (select max(settlement_date)::text from {source} s) as last_date
