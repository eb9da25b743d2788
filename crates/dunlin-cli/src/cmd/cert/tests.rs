use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{CertArgs, CertCommand, SelfSignedArgs, run};
use crate::failure::Failure;

fn made_in(directory: &Path, hosts: &[&str], force: bool) -> Result<String, Failure> {
    let args = CertArgs {
        command: CertCommand::SelfSigned(SelfSignedArgs {
            host: hosts.iter().map(ToString::to_string).collect(),
            days: 30,
            cert: directory.join("cert.pem"),
            key: directory.join("key.pem"),
            force,
        }),
    };
    let mut out = Vec::new();
    run(&args, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_pair_is_written_and_only_its_owner_can_read_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let printed = made_in(directory.path(), &[], false).unwrap();
    assert!(
        printed.contains("dunlin serve --listen mqtts://"),
        "{printed}"
    );
    let about = |name| std::fs::metadata(directory.path().join(name)).unwrap();
    assert_eq!(about("key.pem").permissions().mode() & 0o777, 0o600);
    let text = |name| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert!(text("cert.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(text("key.pem").starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn files_that_exist_are_replaced_only_if_told() {
    let directory = tempfile::tempdir().unwrap();
    made_in(directory.path(), &["broker.example"], false).unwrap();
    let read = || std::fs::read(directory.path().join("key.pem")).unwrap();
    let first = read();
    let Err(Failure::Usage(text)) = made_in(directory.path(), &[], false) else {
        panic!("it was replaced")
    };
    assert!(text.ends_with("exists: --force replaces it"), "{text}");
    assert_eq!(read(), first);
    made_in(directory.path(), &[], true).unwrap();
    assert_ne!(read(), first);
}

#[test]
fn a_name_that_no_certificate_can_hold_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let Err(Failure::Usage(text)) = made_in(directory.path(), &["bröker"], false) else {
        panic!("it was taken")
    };
    assert!(text.starts_with("--host: "), "{text}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
