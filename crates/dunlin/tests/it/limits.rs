//! What clients may take, and who is kept out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use dunlin::Server;
use dunlin::config::Config;
use dunlin_client::codec::{Packet, ProtocolVersion, QoS, ReasonCode, TopicName};

use super::{
    House, V5, connack, connect_fields, disconnected, log_in, log_in_by_hand, message,
    nothing_waits, subscribe,
};

#[tokio::test]
async fn who_is_banned_is_disconnected_and_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bans");
    std::fs::write(&path, "").unwrap();
    let house = House::new(None, &format!("limits.ban_file = {path:?}\n"));
    let mut ada = house.client("a", "ada", V5).await;
    let mut bob = house.client("b", "bob", V5).await;
    std::fs::write(&path, "[[ban]]\nuser = \"ada\"\n").unwrap();
    // Nobody has to say so: the broker looks at the file.
    assert_eq!(disconnected(&mut ada).await, ReasonCode::NotAuthorized);
    for (version, expected) in [
        (V5, ReasonCode::Banned),
        (ProtocolVersion::V311, ReasonCode::NotAuthorized),
    ] {
        let mut again = house.open(version).await;
        let code = log_in(&mut again, "x", version, "ada", b"ada's secret").await;
        assert_eq!(code, expected);
    }
    nothing_waits(&mut bob).await;
}

#[tokio::test]
async fn who_connects_too_often_is_banned_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let limits = "limits.flapping_connects_max = 3\n";
    let mut house = House::new(None, limits);
    house.server = None;
    house.config = house.config.replace(
        "store.ephemeral = true",
        &format!("store.data_dir = {:?}", folder.path()),
    );
    house.restart();
    for _ in 0..3 {
        house.client("a", "ada", V5).await;
    }
    let code = async |house: &House| {
        let mut peer = house.open(V5).await;
        log_in(&mut peer, "a", V5, "ada", b"ada's secret").await
    };
    assert_eq!(code(&house).await, ReasonCode::Banned);
    assert_eq!(code(&house).await, ReasonCode::Banned);
    // Others are not, nor is who only claims to be somebody.
    house.client("b", "ada", V5).await;
    house.restart();
    assert_eq!(code(&house).await, ReasonCode::Banned);
}

#[tokio::test]
async fn nobody_is_banned_by_somebody_elses_failures() {
    let house = House::new(None, "limits.flapping_connects_max = 3\n");
    for _ in 0..10 {
        let mut eve = house.open(V5).await;
        let code = log_in(&mut eve, "a", V5, "ada", b"guess").await;
        assert_eq!(code, ReasonCode::BadUserNameOrPassword);
    }
    house.client("a", "ada", V5).await;
}

#[tokio::test]
async fn an_address_that_connects_too_fast_is_closed() {
    let house = House::new(None, "limits.address_connections_max = 2\n");
    let mut peers = Vec::new();
    for _ in 0..20 {
        peers.push(house.open(V5).await);
    }
    let mut closed = 0;
    for peer in &mut peers {
        let packet = Packet::Connect(Box::new(connect_fields("c", V5)));
        // One that is closed already may say so at once.
        let is_sent = peer.send(&packet).await.is_ok();
        if !is_sent || peer.receive().await.is_err() {
            closed += 1;
        }
    }
    assert!(closed > 0, "all were served");
}

#[tokio::test]
async fn who_sends_too_much_is_slowed_and_loses_nothing() {
    const PER_SECOND: u32 = 20;
    let house = House::new(
        None,
        &format!("limits.client_messages_max = {PER_SECOND}\n"),
    );
    let mut reader = house.client("r", "ada", V5).await;
    assert_eq!(subscribe(&mut reader, "t").await, ReasonCode::GrantedQoS1);
    let mut writer = house.client("w", "bob", V5).await;
    let mut bytes = Vec::new();
    for number in 0..30 {
        let payload = number.to_string();
        let packet = Packet::Publish(dunlin_client::codec::Publish {
            qos: QoS::AtMostOnce,
            topic: TopicName::parse("t").unwrap(),
            payload: payload.as_bytes(),
            ..Default::default()
        });
        packet.encode(V5, &mut bytes).unwrap();
    }
    Packet::Pingreq.encode(V5, &mut bytes).unwrap();
    let begun = Instant::now();
    writer.send_bytes(&bytes).await.unwrap();
    for number in 0..30 {
        assert_eq!(message(&mut reader).await.1, number.to_string());
    }
    // Twenty at once, and the others one by one.
    assert!(begun.elapsed() > Duration::from_millis(400));
    writer.expect(&Packet::Pingresp).await.unwrap();
}

/// Overload of memory: there is a no, and the process goes on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_memory_new_clients_are_refused() {
    let house = House::new(None, "limits.memory_bytes_max = 1048576\n");
    loop {
        let mut peer = house.open(V5).await;
        let mut packet = connect_fields("c", V5);
        packet.user_name = Some("ada");
        packet.password = Some(b"ada's secret");
        peer.send(&Packet::Connect(Box::new(packet))).await.unwrap();
        match connack(&mut peer).await {
            // Nobody has looked yet how much is used.
            ReasonCode::Success => {}
            code => {
                assert_eq!(code, ReasonCode::ServerBusy);
                return;
            }
        }
    }
}

// Class 18 of attacks.
#[tokio::test]
async fn slow_clients_handshakes_have_a_rate_of_their_own_for_each_address() {
    let listeners =
        "listener = [{ bind = \"ws://127.0.0.1:0\" }, { bind = \"mqtt://127.0.0.1:0\" }]\n";
    let config = format!("store.ephemeral = true\nlimits.address_handshakes_max = 2\n{listeners}");
    let server = Server::start(&Config::from_toml(&config).unwrap()).unwrap();
    let [web, plain] = server.addresses() else {
        panic!("there are two");
    };
    let mut closed = 0;
    for _ in 0..20 {
        let mut stream = TcpStream::connect(web.socket_address().unwrap()).unwrap();
        // What is closed at once may say so already.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        closed += usize::from(answer.is_empty());
    }
    assert!(closed > 0, "all were answered");
    for _ in 0..20 {
        log_in_by_hand(&mut TcpStream::connect(plain.socket_address().unwrap()).unwrap());
    }
}
