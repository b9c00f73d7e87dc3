-- Notes that run $1 put the rows $2 of the quarantine back.
update recon.quarantine set restored_by = $1::text where id = any ($2::int8[])
