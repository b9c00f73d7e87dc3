-- Who holds the lease $1, and until when it does unless it is renewed.
select holder, to_char(expires_at at time zone 'UTC', 'HH24:MI') as until from recon.leases where name = $1::text
