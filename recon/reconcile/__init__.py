"""The main job: survey, plan, chunk, read back, commit; also resume, daily, minimal, verify. Imports core to values."""
