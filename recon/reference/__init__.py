"""Reference data: miner models, block subsidies and difficulty, read and checked. Imports core."""
