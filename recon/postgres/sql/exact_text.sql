-- Until the transaction ends every type writes and reads the one text that comes back equal, whatever a role is set to.
select
    set_config('datestyle', 'ISO, YMD', true) as datestyle,
    set_config('intervalstyle', 'postgres', true) as intervalstyle,
    set_config('extra_float_digits', '1', true) as extra_float_digits,
    set_config('bytea_output', 'hex', true) as bytea_output,
    set_config('xmloption', 'content', true) as xmloption
