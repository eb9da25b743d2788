//! Tests of the configuration of client commands.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::{Defaults, OutputStyle, path, read};
use crate::args::Protocol;
use crate::failure::Failure;

fn read_in(home: &Path) -> Result<Defaults, Failure> {
    let home = home.as_os_str().to_owned();
    read(&move |name| (name == "HOME").then(|| home.clone()))
}

fn write(home: &Path, name: &str, text: &str) {
    let path = home.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn without_a_file_the_server_is_on_this_machine() {
    let home = tempfile::tempdir().unwrap();
    let defaults = read_in(home.path()).unwrap();
    assert_eq!(defaults, Defaults::default());
    assert_eq!((defaults.host.as_str(), defaults.port), ("localhost", None));
}

#[test]
fn our_file_goes_before_that_of_mqttx() {
    let home = tempfile::tempdir().unwrap();
    let theirs = "[default]\noutput = log\n\n[mqtt]\nhost = a.example\nport = 8084\n\
        max_reconnect_times = 3\nprotocol = wss\nusername = \npassword = x=y\nother = 1\n";
    write(home.path(), ".mqttx-cli/config", theirs);
    let defaults = read_in(home.path()).unwrap();
    assert_eq!(defaults.output, OutputStyle::Log);
    assert_eq!(
        (defaults.host.as_str(), defaults.port),
        ("a.example", Some(8084))
    );
    assert_eq!(defaults.protocol, Protocol::Wss);
    assert_eq!(defaults.max_reconnect_times, 3);
    assert_eq!(defaults.username, None);
    assert_eq!(defaults.password.as_deref(), Some("x=y"));
    write(
        home.path(),
        ".config/dunlin/client.toml",
        "[mqtt]\nhost = \"b.example\"\n",
    );
    let defaults = read_in(home.path()).unwrap();
    assert_eq!(defaults.host, "b.example");
    assert_eq!(defaults.protocol, Protocol::Mqtt);
}

#[test]
fn mistakes_are_told_with_the_file() {
    let home = tempfile::tempdir().unwrap();
    let told = || match read_in(home.path()) {
        Err(Failure::Usage(text)) => text,
        other => panic!("{other:?}"),
    };
    write(home.path(), ".mqttx-cli/config", "[mqtt]\nport = many\n");
    assert!(
        told().ends_with(".mqttx-cli/config: port = many: expected a port"),
        "{}",
        told()
    );
    write(
        home.path(),
        ".config/dunlin/client.toml",
        "[mqtt]\nhots = \"b\"\n",
    );
    let told = told();
    assert!(told.contains("client.toml: unknown field `hots`"), "{told}");
    assert_eq!(told.lines().count(), 1);
}

#[test]
fn the_path_is_named_or_usual() {
    let with = |given: &'static [(&'static str, &'static str)]| {
        path(&move |name| {
            let found = given.iter().find(|(given, _)| *given == name);
            found.map(|(_, value)| OsString::from(value))
        })
    };
    assert_eq!(with(&[]), None);
    let usual = with(&[("HOME", "/h")]).unwrap();
    assert_eq!(usual, Path::new("/h/.config/dunlin/client.toml"));
    let of_xdg = with(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]).unwrap();
    assert_eq!(of_xdg, Path::new("/x/dunlin/client.toml"));
    let named = with(&[("HOME", "/h"), ("DUNLIN_CLIENT_CONFIG", "/n")]).unwrap();
    assert_eq!(named, Path::new("/n"));
}
