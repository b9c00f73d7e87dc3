-- Notes beside the rows $2 that run $1 keeps what is there now ($3): the values written ($4, $5) and the row whole.
with noted as (
    update recon.quarantine q set
        replacement = jsonb_build_object('bitcoin_mined', v.btc, 'difficulty', v.difficulty),
        row_after = {whole}
    from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as v (old_id, new_id, btc, difficulty)
    join {table} t on v.new_id = concat_ws('/', t.tableoid, t.ctid)
    where q.run_id = $1::text and q.row_id = v.old_id
        and t.ctid = any ($6::text[]::tid[]) and ($7::date[] is null or t.{settlement_date} = any ($7::date[]))
    returning 1
)
select count(*) as rows from noted
