"""JSON Web Tokens on `cryptography` alone: reading, keys, signatures, decryption, claims. Pure: no socket, no clock."""
