"""Whether each stored value is right and why not: verdicts, causes, quarantine. Imports core, reference, postgres."""
