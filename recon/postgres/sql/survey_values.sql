,
    -- the values, weighted by their keys' hashes, so that two of them cannot be exchanged; `odd` ones are no numbers
    count(*) filter (where not coalesce({finite}, false)) as odd,
    coalesce(sum({btc} * ({key_hash} & {weights})) filter (where {finite}), 0)::text as bitcoin,
    coalesce(sum({difficulty} * ({key_hash} & {weights})) filter (where {finite}), 0)::text as difficulty
