-- Ends the lease $1 if $2 still holds it. It stays as a row: who writes the ledger need not be allowed to delete.
update recon.leases set expires_at = clock_timestamp() where name = $1::text and holder = $2::text
