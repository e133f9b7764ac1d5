//! People: accounts, sessions, and the log-in, sign-up and consent pages.
