{btc} > '-Infinity' and {btc} < 'Infinity' and {difficulty} > '-Infinity' and {difficulty} < 'Infinity'
