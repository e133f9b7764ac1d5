//! Mounts any Serve in an axum router.
