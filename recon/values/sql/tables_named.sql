-- How many tables have the name $1, in whichever schema.
select count(*) as tables from pg_class where relname::text = $1::text and relkind in ('r', 'p')
