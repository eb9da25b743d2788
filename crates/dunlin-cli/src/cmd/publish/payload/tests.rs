//! Tests of payloads.

use std::io::Cursor;

use super::{Source, next_line, size};
use crate::failure::Failure;
use crate::format::Format;

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
fn a_line_ends_before_its_end() {
    let mut input = Cursor::new(b"a\r\n\nlast".to_vec());
    assert_eq!(next_line(&mut input, None).unwrap(), Some(b"a".to_vec()));
    assert_eq!(next_line(&mut input, None).unwrap(), Some(b"".to_vec()));
    assert_eq!(next_line(&mut input, None).unwrap(), Some(b"last".to_vec()));
    assert_eq!(next_line(&mut input, None).unwrap(), None);
}

#[test]
fn formats_are_read_from_every_source() {
    let mut input = Cursor::new(b"6869\nzz\n".to_vec());
    assert_eq!(
        next_line(&mut input, Some(Format::Hex)).unwrap(),
        Some(b"hi".to_vec())
    );
    assert!(matches!(
        next_line(&mut input, Some(Format::Hex)),
        Err(Failure::Usage(_))
    ));
    let text = |text: &str| Source::Text(text.to_owned());
    assert_eq!(text("aGk=").read(Some(Format::Base64)).unwrap(), b"hi");
    assert!(matches!(
        text("{").read(Some(Format::Json)),
        Err(Failure::Usage(_))
    ));
    assert_eq!(Source::Random(1000).read(None).unwrap().len(), 1000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payload");
    std::fs::write(&path, b"\x00\xff").unwrap();
    assert_eq!(Source::File(path).read(None).unwrap(), b"\x00\xff");
    let missing = Source::File(directory.path().join("missing")).read(None);
    assert!(matches!(missing, Err(Failure::Failed(_))));
}
