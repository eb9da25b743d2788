//! Tests of payloads in files.

use std::path::Path;

use super::{Files, numbered, unescape};

#[test]
fn delimiters_may_be_escaped() {
    assert_eq!(unescape("\\n"), b"\n");
    assert_eq!(unescape("a\\t\\\\n\\0"), b"a\t\\n\0");
    assert_eq!(unescape("\\x\\"), b"\\x\\");
    assert_eq!(unescape(""), b"");
}

#[test]
fn numbers_stand_before_the_extension() {
    assert_eq!(numbered(Path::new("d/a.txt"), 0), Path::new("d/a.txt"));
    assert_eq!(numbered(Path::new("d/a.txt"), 2), Path::new("d/a(2).txt"));
    assert_eq!(numbered(Path::new("a"), 1), Path::new("a(1)"));
}

#[test]
fn each_payload_gets_a_file_and_none_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.bin");
    std::fs::write(directory.path().join("a(1).bin"), "kept").unwrap();
    let mut files = Files::Each {
        path: path.clone(),
        next: 0,
    };
    assert_eq!(files.write(b"one").unwrap().unwrap(), path);
    let second = files.write(b"two").unwrap().unwrap();
    assert_eq!(second, directory.path().join("a(2).bin"));
    assert_eq!(std::fs::read(&path).unwrap(), b"one");
    assert_eq!(std::fs::read(&second).unwrap(), b"two");
    let kept = std::fs::read(directory.path().join("a(1).bin"));
    assert_eq!(kept.unwrap(), b"kept");
}
