"""A demo without a provider account: sample data, sample traffic and a simulated LLM provider."""
