case when abs({value}) > '1e300' and {value} <> 'NaN' then 'Infinity' when abs({value}) < '1e-300' then 0 else {value}::float8 end
