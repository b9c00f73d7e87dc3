-- database
-- Which database this is: a standby's is the same, a copy on another server is another.
select format('%s on %s', current_database(), (select system_identifier from pg_control_system())) as identity
