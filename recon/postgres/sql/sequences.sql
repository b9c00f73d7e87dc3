-- Which of the sequences $1 (names) this role may not use.
select name from unnest($1::text[]) as name where not has_sequence_privilege(name, 'USAGE')
