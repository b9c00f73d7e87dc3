-- Rows of both tables that no window of dates holds: dated null, infinite, before the year 1 or after 9999.
select (select count(*) from {source} s where {undated})::int8 as source,
    (select count(*) from {stored} c where {undated})::int8 as stored
