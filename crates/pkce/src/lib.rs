//! Proof Key for Code Exchange (RFC 7636), S256 only.
