#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| testkit::fuzz::http_any(bytes));
