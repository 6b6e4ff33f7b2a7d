"""The public edge: REST for everybody, translated to the gRPC of the services; the accounts of those who call."""
