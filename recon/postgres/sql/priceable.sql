(volume between '-1e12' and '1e12' and farm_id is not null and (
    settlement_period between 1 and 46
    or (settlement_period in (47, 48) and settlement_date <> all ({short_days}))
    or (settlement_period in (49, 50) and settlement_date = any ({long_days}))))
