//! Who is let in.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dunlin::Server;
use dunlin::auth::PasswordFile;
use dunlin::config::Config;
use dunlin_client::codec::{Auth, AuthProperties, Connect, Packet, ProtocolVersion, ReasonCode};
use dunlin_client::script::Peer;
use ring::{digest, hmac, pbkdf2};

use super::{
    House, V5, connack, connect_fields, disconnected, log_in, nothing_waits, publish, subscribe,
};

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

/// As other brokers do: clients that are set up with a user name and a password reach a broker that
/// has nothing to hold them against.
#[tokio::test]
async fn where_nothing_can_be_proved_names_and_passwords_are_taken_as_they_are() {
    let open =
        "workers = 1\nstore.ephemeral = true\nlistener = [{ bind = \"mqtt://127.0.0.1:0\" }]\n";
    let server = Server::start(&Config::from_toml(open).unwrap()).unwrap();
    let address = server.addresses()[0].socket_address().unwrap();
    for version in [ProtocolVersion::V311, V5] {
        let mut peer = Peer::connect(address, version).await.unwrap();
        let code = log_in(&mut peer, "a", version, "ada", b"x").await;
        assert_eq!(code, ReasonCode::Success);
    }
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
    let mut users = PasswordFile::read(&house.users()).unwrap();
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
    let house = House::new(
        Some("user ada\ntopic readwrite t\nuser bob\ntopic read t\n"),
        "",
    );
    let mut ada = house.client("a", "ada", V5).await;
    let mut bob = house.client("b", "bob", V5).await;
    assert_eq!(subscribe(&mut bob, "t").await, ReasonCode::GrantedQoS1);
    std::fs::write(house.users(), "ada:plain text\n").unwrap();
    house.write_acl("user ada\ntopic readwrite t\n");
    // What changed holds once every file that changed has been read, so that of the users was.
    assert_eq!(disconnected(&mut bob).await, ReasonCode::NotAuthorized);
    nothing_waits(&mut ada).await;
    let mut again = house.client("c", "ada", V5).await;
    nothing_waits(&mut again).await;
    let broken = house.loaded();
    assert!(Server::start(&broken).is_err());
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

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A token of HS256.
fn token(payload: &str) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!(
        "{}.{}",
        encode(br#"{"alg":"HS256"}"#),
        encode(payload.as_bytes())
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", encode(tag.as_ref()))
}

/// A broker that believes tokens made with the secret; the folder has the file.
fn house_of_tokens() -> (House, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, SECRET).unwrap();
    let more = format!("[[auth.jwt]]\nsecret_file = {path:?}\n");
    (House::new(None, &more), folder)
}

#[tokio::test]
async fn a_connection_ends_when_its_token_expires() {
    let (house, _folder) = house_of_tokens();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let soon = now.unwrap().as_secs_f64() + 1.0;
    let token = token(&format!(r#"{{"sub":"eve","exp":{soon}}}"#));
    for version in [ProtocolVersion::V311, V5] {
        let mut eve = house.open(version).await;
        let code = log_in(&mut eve, "e", version, "x", token.as_bytes()).await;
        if code != ReasonCode::Success {
            // The machine was so slow that the second was over before.
            assert_eq!(code, ReasonCode::BadUserNameOrPassword);
        } else if version == V5 {
            let code = disconnected(&mut eve).await;
            assert_eq!(code, ReasonCode::NotAuthorized);
        }
        eve.expect_close().await.unwrap();
    }
    // Passwords are as good as ever.
    house.client("a", "ada", V5).await;
}

#[tokio::test]
async fn rules_in_a_token_hold_for_its_client_alone() {
    let (house, _folder) = house_of_tokens();
    let token = token(r#"{"sub":"eve","acl":{"pub":["of/%u/%c"]}}"#);
    let mut eve = house.open(V5).await;
    let code = log_in(&mut eve, "e", V5, "x", token.as_bytes()).await;
    assert_eq!(code, ReasonCode::Success);
    let nobody = ReasonCode::NoMatchingSubscribers;
    let denied = ReasonCode::NotAuthorized;
    assert_eq!(publish(&mut eve, "of/eve/e", "1").await, nobody);
    assert_eq!(publish(&mut eve, "of/eve/f", "1").await, denied);
    assert_eq!(subscribe(&mut eve, "of/eve/e").await, denied);
    let mut ada = house.client("a", "ada", V5).await;
    assert_eq!(publish(&mut ada, "of/eve/f", "1").await, nobody);
}

/// A client's part of SCRAM-SHA-256: AUTH or CONNECT with the first message, then AUTH with the proof.
/// Gives what the broker proves itself with, and what it must be.
async fn scram(peer: &mut Peer, is_again: bool, user: &str, password: &str) -> Option<Vec<u8>> {
    let method = "SCRAM-SHA-256";
    let bare = format!("n={user},r=fyko+d2lbbFgONRv9qkxdawL");
    let first = format!("n,,{bare}");
    let auth = |reason_code, data| {
        Packet::Auth(Auth {
            reason_code,
            properties: AuthProperties {
                authentication_method: Some(method),
                authentication_data: Some(data),
                ..AuthProperties::default()
            },
        })
    };
    if is_again {
        let packet = auth(ReasonCode::ReAuthenticate, first.as_bytes());
        peer.send(&packet).await.unwrap();
    } else {
        let mut connect = connect_fields("s", V5);
        connect.properties.authentication_method = Some(method);
        connect.properties.authentication_data = Some(first.as_bytes());
        peer.send(&Packet::Connect(Box::new(connect)))
            .await
            .unwrap();
    }
    let received = peer.receive().await.unwrap();
    let Packet::Auth(reply) = received.packet() else {
        panic!("{:?}", received.packet());
    };
    assert_eq!(reply.reason_code, ReasonCode::ContinueAuthentication);
    let reply = reply.properties.authentication_data.unwrap();
    let reply = String::from_utf8(reply.to_vec()).unwrap();
    let parts: Vec<_> = reply.split(',').collect();
    let salt = STANDARD.decode(&parts[1][2..]).unwrap();
    let iterations = parts[2][2..].parse().unwrap();
    let mut salted = [0; 32];
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(
        algorithm,
        iterations,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let sign =
        |key: &[u8], message: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let without_proof = format!("c=biws,{}", parts[0]);
    let message = format!("{bare},{reply},{without_proof}");
    let signature = sign(stored_key.as_ref(), message.as_bytes());
    let pairs = client_key.as_ref().iter().zip(signature.as_ref());
    let proof: Vec<u8> = pairs.map(|(one, other)| one ^ other).collect();
    let last = format!("{without_proof},p={}", STANDARD.encode(proof));
    let packet = auth(ReasonCode::ContinueAuthentication, last.as_bytes());
    peer.send(&packet).await.unwrap();
    let server_key = sign(&salted, b"Server Key");
    let own = sign(server_key.as_ref(), message.as_bytes());
    let received = peer.receive().await.unwrap();
    let (code, data) = match received.packet() {
        Packet::Connack(connack) => (connack.reason_code, connack.properties.authentication_data),
        Packet::Auth(auth) => (auth.reason_code, auth.properties.authentication_data),
        Packet::Disconnect(disconnect) => (disconnect.reason_code, None),
        other => panic!("{other:?}"),
    };
    if code == ReasonCode::Success {
        let expected = format!("v={}", STANDARD.encode(own));
        assert_eq!(data, Some(expected.as_bytes()));
        return data.map(<[u8]>::to_vec);
    }
    assert_eq!(code, ReasonCode::NotAuthorized);
    None
}

// [v5 MQTT-4.12.0-2] [v5 MQTT-4.12.0-3] [v5 MQTT-4.12.1-1]
#[tokio::test]
async fn scram_proves_a_password_and_proves_it_again() {
    let house = House::new(None, "");
    let mut wrong = house.open(V5).await;
    let proof = scram(&mut wrong, false, "sam", "bob's secret").await;
    assert_eq!(proof, None);
    wrong.expect_close().await.unwrap();

    let mut sam = house.open(V5).await;
    assert!(
        scram(&mut sam, false, "sam", "sam's secret")
            .await
            .is_some()
    );
    nothing_waits(&mut sam).await;
    assert!(scram(&mut sam, true, "sam", "sam's secret").await.is_some());
    nothing_waits(&mut sam).await;
    // The session is sam's: nobody else takes it over by proving to be somebody else.
    assert!(scram(&mut sam, true, "sam", "wrong").await.is_none());
    sam.expect_close().await.unwrap();
    // Who has a proof may send the password as well.
    house.client("s", "sam", V5).await;
}
