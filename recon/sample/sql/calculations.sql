-- The calculations as real installations have them, without the unique index that only some have.
create {kind}table {table} (
    {id}{settlement_date} date not null,
    {settlement_period} integer not null,
    {farm_id} text not null,
    {miner_model} text not null,
    {bitcoin_mined} numeric not null,
    {difficulty} numeric not null,
    calculated_at timestamp default now()
)
