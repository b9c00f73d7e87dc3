-- The keys of keys.sql, each with its hash.
select k.*, {key_hash} as key_hash from ({keys}) k
