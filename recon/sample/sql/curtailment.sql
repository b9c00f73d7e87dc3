-- The source table as real installations have it.
create {kind}table {table} (
    {id}{settlement_date} date not null,
    {settlement_period} integer not null,
    {farm_id} text not null,
    lead_party_name text,
    {volume} numeric not null,
    payment numeric not null,
    original_price numeric not null,
    final_price numeric not null,
    so_flag boolean,
    cadl_flag boolean,
    created_at timestamp default now()
)
