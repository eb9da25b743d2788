//! Tests of payloads.

use std::io::Cursor;

use super::{Encoding, Source, next_line};
use crate::failure::Failure;
use crate::format::Format;

const PLAIN: Encoding = Encoding {
    format: None,
    schema: None,
};

const fn encoding(format: Format) -> Encoding {
    Encoding {
        format: Some(format),
        schema: None,
    }
}

#[test]
fn a_line_ends_before_its_end() {
    let mut input = Cursor::new(b"a\r\n\nlast".to_vec());
    assert_eq!(next_line(&mut input, &PLAIN).unwrap(), Some(b"a".to_vec()));
    assert_eq!(next_line(&mut input, &PLAIN).unwrap(), Some(b"".to_vec()));
    assert_eq!(
        next_line(&mut input, &PLAIN).unwrap(),
        Some(b"last".to_vec())
    );
    assert_eq!(next_line(&mut input, &PLAIN).unwrap(), None);
}

#[test]
fn formats_are_read_from_every_source() {
    let mut input = Cursor::new(b"6869\nzz\n".to_vec());
    assert_eq!(
        next_line(&mut input, &encoding(Format::Hex)).unwrap(),
        Some(b"hi".to_vec())
    );
    assert!(matches!(
        next_line(&mut input, &encoding(Format::Hex)),
        Err(Failure::Usage(_))
    ));
    let text = |text: &str| Source::Text(text.to_owned());
    assert_eq!(text("aGk=").read(&encoding(Format::Base64)).unwrap(), b"hi");
    assert!(matches!(
        text("{").read(&encoding(Format::Json)),
        Err(Failure::Usage(_))
    ));
    assert_eq!(Source::Random(1000).read(&PLAIN).unwrap().len(), 1000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("payload");
    std::fs::write(&path, b"\x00\xff").unwrap();
    assert_eq!(Source::File(path).read(&PLAIN).unwrap(), b"\x00\xff");
    let missing = Source::File(directory.path().join("missing")).read(&PLAIN);
    assert!(matches!(missing, Err(Failure::Usage(_))));
}
