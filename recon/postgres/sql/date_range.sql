-- The first and the last settlement date of both tables within a window.
select min(first_date) as first_date, max(last_date) as last_date from (
    select min(settlement_date) as first_date, max(settlement_date) as last_date
    from {source} s where settlement_date between {first} and {last}
    union all
    select min(settlement_date), max(settlement_date)
    from {stored} c where settlement_date between {first} and {last}
) ends
