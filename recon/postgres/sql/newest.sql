-- The newest settlement date of the curtailment up to one; infinite dates and those after the year 9999 are none.
select max(settlement_date) as newest from {source} s where settlement_date between date '0001-01-01' and {through}
