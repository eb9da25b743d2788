use super::*;

#[test]
fn a_file_is_read_again_once_it_rests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "one").unwrap();
    let mut file = WatchedFile::new(path.clone());
    assert_eq!(file.read(10, false).unwrap(), "one");
    assert!(!file.has_changed());
    std::fs::write(&path, "other").unwrap();
    // It may be written still: only the second look that sees the same says so.
    assert!(!file.has_changed());
    assert!(file.has_changed());
    assert_eq!(file.read(10, false).unwrap(), "other");
    assert!(!file.has_changed());
    std::fs::remove_file(&path).unwrap();
    assert!(!file.has_changed());
    assert!(!file.has_changed());
}

#[test]
fn a_file_has_a_longest_length_and_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut file = WatchedFile::new(path.clone());
    assert!(
        file.read(3, false)
            .unwrap_err()
            .starts_with("cannot be read")
    );
    std::fs::write(&path, "four").unwrap();
    assert_eq!(file.read(3, false).unwrap_err(), "is longer than 3 bytes");
    std::fs::write(&path, [0xff]).unwrap();
    assert_eq!(file.read(3, false).unwrap_err(), "is not UTF-8");
}
