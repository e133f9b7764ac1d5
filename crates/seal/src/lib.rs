//! Authenticated encryption by numbered keys, one derived key a record.
