//! Tests of the time of day.

use super::Instant;

#[test]
fn days_that_calendars_get_wrong() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399, "2000-02-28T23:59:59.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (951_868_800, "2000-03-01T00:00:00.000Z"),
        (1_709_164_800, "2024-02-29T00:00:00.000Z"),
        (1_798_761_599, "2026-12-31T23:59:59.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"),
    ] {
        let whole = text.replace(".000Z", ".000000Z");
        assert_eq!(Instant::at(seconds, 0).iso_8601(), whole);
    }
    assert_eq!(
        Instant::at(1, 7_000).iso_8601(),
        "1970-01-01T00:00:01.000007Z"
    );
}
