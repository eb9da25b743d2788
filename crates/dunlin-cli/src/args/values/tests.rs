//! Tests of values.

use super::{payload_size as size, subscription_identifier};

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

#[test]
fn subscription_identifiers_have_bounds() {
    for good in ["1", "268435455"] {
        assert_eq!(subscription_identifier(good).unwrap().to_string(), good);
    }
    for wrong in ["0", "268435456", "x", ""] {
        let told = subscription_identifier(wrong).unwrap_err();
        assert_eq!(told, "expected 1 to 268435455");
    }
}
