"""GraphQL: schemas, the queries that clients send, and answering them with resolvers or with the API's own backend.

Its library takes long to load and few processes meet a GraphQL API: whoever needs this package imports it late.
"""
