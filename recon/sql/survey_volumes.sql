,
    coalesce(sum(volume_hash), 0)::text as volumes