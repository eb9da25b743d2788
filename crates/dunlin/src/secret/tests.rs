use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_secret_is_its_owners_or_its_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "s").unwrap();
    let said = |mode: u32, readers: Readers| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        exposure(&path, &fs::metadata(&path).unwrap(), readers)
    };
    for (mode, to_owner, to_group) in [
        (0o600, false, false),
        (0o400, false, false),
        (0o640, true, false),
        (0o604, true, true),
        (0o666, true, true),
    ] {
        assert_eq!(said(mode, Readers::Owner).is_some(), to_owner, "{mode:o}");
        assert_eq!(said(mode, Readers::Group).is_some(), to_group, "{mode:o}");
    }
    let line = said(0o644, Readers::Owner).unwrap();
    assert!(
        line.ends_with(&format!("(mode 644): chmod 600 {}", path.display())),
        "{line}"
    );
}
