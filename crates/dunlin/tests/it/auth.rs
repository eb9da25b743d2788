//! Who is let in.

use dunlin_client::codec::{Connect, Packet, ProtocolVersion, ReasonCode};

use super::{House, V5, connack, connect_fields, disconnected, log_in, nothing_waits};

#[tokio::test]
async fn the_right_password_lets_in_and_nothing_else_does() {
    let house = House::new(None, "");
    for version in [ProtocolVersion::V311, V5] {
        let mut ada = house.client("a", "ada", version).await;
        nothing_waits(&mut ada).await;
        for (user, password) in [
            ("ada", "bob's secret"),
            ("ada", ""),
            ("eve", "ada's secret"),
        ] {
            let mut peer = house.open(version).await;
            let code = log_in(&mut peer, "b", version, user, password.as_bytes()).await;
            assert_eq!(code, ReasonCode::BadUserNameOrPassword, "{user}");
            peer.expect_close().await.unwrap();
        }
        let mut nobody = house.open(version).await;
        let packet = Packet::Connect(Box::new(connect_fields("c", version)));
        nobody.send(&packet).await.unwrap();
        assert_eq!(connack(&mut nobody).await, ReasonCode::NotAuthorized);
    }
}

#[tokio::test]
async fn listeners_of_this_machine_are_open_only_where_it_is_said() {
    let house = House::new(None, "auth.allow_anonymous = true");
    let mut nobody = house.open(V5).await;
    let packet = Packet::Connect(Box::new(connect_fields("c", V5)));
    nobody.send(&packet).await.unwrap();
    assert_eq!(connack(&mut nobody).await, ReasonCode::Success);
    // A wrong password is wrong all the same.
    let mut eve = house.open(V5).await;
    let code = log_in(&mut eve, "e", V5, "eve", b"x").await;
    assert_eq!(code, ReasonCode::BadUserNameOrPassword);
}

/// What comes with CONNECT waits until it is known who sent it, and is handled then.
#[tokio::test]
async fn packets_behind_connect_wait_for_the_decision() {
    let house = House::new(None, "");
    let mut bytes = Vec::new();
    for password in [&b"ada's secret"[..], b"wrong"] {
        bytes.clear();
        let packet = Packet::Connect(Box::new(Connect {
            user_name: Some("ada"),
            password: Some(password),
            ..connect_fields("a", V5)
        }));
        packet.encode(V5, &mut bytes).unwrap();
        Packet::Pingreq.encode(V5, &mut bytes).unwrap();
        Packet::Pingreq.encode(V5, &mut bytes).unwrap();
        let mut peer = house.open(V5).await;
        peer.send_bytes(&bytes).await.unwrap();
        if password == b"wrong" {
            assert_eq!(connack(&mut peer).await, ReasonCode::BadUserNameOrPassword);
            peer.expect_close().await.unwrap();
        } else {
            assert_eq!(connack(&mut peer).await, ReasonCode::Success);
            peer.expect(&Packet::Pingresp).await.unwrap();
            peer.expect(&Packet::Pingresp).await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_is_removed_or_has_another_password_is_disconnected() {
    let house = House::new(None, "");
    let mut ada = house.client("a", "ada", V5).await;
    let mut old_ada = house.client("old", "ada", ProtocolVersion::V311).await;
    let mut bob = house.client("b", "bob", V5).await;
    let mut users = dunlin::auth::PasswordFile::read(&house.users()).unwrap();
    users.remove("ada");
    users.write(&house.users()).unwrap();
    // Nobody has to say so: the broker looks at the file.
    assert_eq!(disconnected(&mut ada).await, ReasonCode::NotAuthorized);
    old_ada.expect_close().await.unwrap();
    nothing_waits(&mut bob).await;
    let mut again = house.open(V5).await;
    let code = log_in(&mut again, "a", V5, "ada", b"ada's secret").await;
    assert_eq!(code, ReasonCode::BadUserNameOrPassword);
}

// Class 16 of attacks.
#[tokio::test]
async fn fail_open_configuration_a_broken_file_lets_nobody_in_and_throws_nobody_out() {
    let house = House::new(None, "");
    let mut ada = house.client("a", "ada", V5).await;
    std::fs::write(house.users(), "ada:plain text\n").unwrap();
    house.reload().unwrap();
    // The reload is under way: whoever comes behind it sees what it left.
    let mut bob = house.client("b", "bob", V5).await;
    nothing_waits(&mut ada).await;
    nothing_waits(&mut bob).await;
    let broken = house.loaded();
    assert!(dunlin::Server::start(&broken).is_err());
}

// Class 20 of attacks: one code for both, whatever is wrong.
#[tokio::test]
async fn info_log_unknown_users_and_wrong_passwords_are_answered_alike() {
    let house = House::new(None, "");
    let mut codes = Vec::new();
    for user in ["ada", "eve"] {
        let mut peer = house.open(V5).await;
        codes.push(log_in(&mut peer, "a", V5, user, b"wrong").await);
    }
    assert_eq!(codes[0], codes[1]);
}
