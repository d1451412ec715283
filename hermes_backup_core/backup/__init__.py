"""Making a backup: survey the host, carry the plan out, put right what a killed run left."""
