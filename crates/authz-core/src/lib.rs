//! The state machine of OAuth 2.1: authorize, token, refresh, revoke, introspect, register.
