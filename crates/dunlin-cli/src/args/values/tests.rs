//! Tests of values.

use super::payload_size as size;

#[test]
fn sizes_have_units() {
    assert_eq!(size("512B"), Ok(512));
    assert_eq!(size("1KB"), Ok(1024));
    assert_eq!(size("2mb"), Ok(2 * 1024 * 1024));
    assert_eq!(size("0"), Ok(0));
    for wrong in [
        "",
        "KB",
        "1TB",
        "-1B",
        "1.5KB",
        "256MB",
        "99999999999999999999MB",
    ] {
        assert!(size(wrong).is_err(), "{wrong}");
    }
}
