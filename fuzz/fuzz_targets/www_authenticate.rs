#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| testkit::fuzz::www_authenticate(bytes));
