-- Takes or renews the lease $1 for $2, for $3 seconds from now by the server's clock; no row where another holds it.
insert into recon.leases as l (name, holder, expires_at)
values ($1::text, $2::text, clock_timestamp() + make_interval(secs => $3::float8))
on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
where l.expires_at <= clock_timestamp() or l.holder = excluded.holder
returning l.holder
