//! Records, the storage contract, its backends and the suite that proves one.
