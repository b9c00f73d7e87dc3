"""What `recon daily` tells others: metrics, webhook, ping."""
