"""Keys, tokens, scopes, certificates and signatures: the same code for the adapter and for the mock endpoint."""
