use super::{Agreed, FIELDS_MAX, REQUEST_BYTES_MAX, Refused, Upgrade, UpgradeError, accept};
use crate::mutate::corpus;

/// The example of RFC 6455, section 1.3, with what MQTT needs.
const GOOD: &str = "GET /mqtt HTTP/1.1\r\nHost: broker.example\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, mqtt\r\n\
    Origin: https://shop.example\r\n\r\n";

fn upgrade(origins: &[&str]) -> Upgrade {
    Upgrade {
        path: "/mqtt".to_owned(),
        origins: origins.iter().map(ToString::to_string).collect(),
    }
}

fn answer(request: &str) -> Result<Agreed, Refused> {
    upgrade(&[]).answer(request.as_bytes())
}

#[test]
fn a_good_request_is_accepted() {
    let agreed = |subprotocol| Agreed {
        accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(),
        subprotocol,
    };
    assert_eq!(answer(GOOD), Ok(agreed("mqtt")));
    let of_3_1 = GOOD.replace("chat, mqtt", "mqttv3.1");
    assert_eq!(answer(&of_3_1), Ok(agreed("mqttv3.1")));
    let of_both = GOOD.replace("chat, mqtt", "mqttv3.1, mqtt");
    assert_eq!(answer(&of_both), Ok(agreed("mqtt")));
    let with_query = GOOD.replace("/mqtt HTTP", "/mqtt?token=1 HTTP");
    assert!(answer(&with_query).is_ok());
    let in_other_letters = GOOD.replace("Upgrade: websocket", "UPGRADE: WebSocket");
    assert!(answer(&in_other_letters).is_ok());
}

// [v5 MQTT-6.0.0-3] [v3 MQTT-6.0.0-3]
#[test]
fn every_other_request_is_refused_with_its_reason() {
    let path = || Refused::Path("/mqtt".to_owned());
    for (good, bad, why) in [
        ("GET", "POST", Refused::Method),
        ("HTTP/1.1", "HTTP/1.0", Refused::Malformed),
        ("GET /mqtt HTTP/1.1", "\x16\x03\x01", Refused::Malformed),
        ("\r\n\r\n", "\r\n\r\n\x10", Refused::Malformed),
        ("/mqtt HTTP", "/ HTTP", path()),
        ("/mqtt HTTP", "/mqtt/ HTTP", path()),
        ("Upgrade: websocket", "Upgrade: h2c", Refused::NoWebSocket),
        ("keep-alive, Upgrade", "keep-alive", Refused::NoWebSocket),
        ("Version: 13", "Version: 8", Refused::Version),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhl", Refused::Key),
        ("Key: dGhl", "Key: !Ghl", Refused::Key),
        ("Sec-WebSocket-Key", "X-Key", Refused::Key),
        (
            "Protocol: chat, mqtt",
            "Protocol: chat, mqttv5",
            Refused::Subprotocol,
        ),
        (
            "Protocol: chat, mqtt",
            "Protocol: MQTT",
            Refused::Subprotocol,
        ),
        ("Sec-WebSocket-Protocol", "X-Protocol", Refused::Subprotocol),
    ] {
        let request = GOOD.replace(good, bad);
        assert_ne!(request, GOOD, "{good:?} is not in the request");
        assert_eq!(answer(&request), Err(why), "{bad:?}");
    }
    let twice = GOOD.replace(
        "\r\n\r\n",
        "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(answer(&twice), Err(Refused::Key));
    let fields = "\r\nX: y".repeat(FIELDS_MAX);
    let many = GOOD.replace("\r\n\r\n", &format!("{fields}\r\n\r\n"));
    assert_eq!(answer(&many), Err(Refused::TooLarge));
}

#[test]
fn pages_of_other_origins_are_refused_if_there_is_a_list() {
    let listed = upgrade(&["https://shop.example", "http://localhost:8080"]);
    assert!(listed.answer(GOOD.as_bytes()).is_ok());
    let without = GOOD.replace("Origin: https://shop.example\r\n", "");
    assert!(
        listed.answer(without.as_bytes()).is_ok(),
        "who is no browser sends none"
    );
    for origin in ["https://shop.example.evil", "http://shop.example", "null"] {
        let request = GOOD.replace("https://shop.example", origin);
        assert_eq!(
            listed.answer(request.as_bytes()),
            Err(Refused::Origin(origin.to_owned()))
        );
    }
}

async fn response_to(request: &str) -> (String, Result<(), UpgradeError>) {
    let (mut client, mut server) = tokio::io::duplex(64 * 1024);
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    client.write_all(request.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let accepted = accept(&mut server, &upgrade(&[])).await;
    drop(server);
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    (response, accepted)
}

// [v5 MQTT-6.0.0-4] [v3 MQTT-6.0.0-4]
#[tokio::test]
async fn the_response_names_the_subprotocol() {
    let (response, accepted) = response_to(GOOD).await;
    accepted.unwrap();
    assert!(
        response.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{response}"
    );
    assert!(
        response.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"),
        "{response}"
    );
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn a_browser_is_told_what_this_is() {
    let get = "GET /mqtt HTTP/1.1\r\nHost: broker.example\r\nAccept: text/html\r\n\r\n";
    let (response, accepted) = response_to(get).await;
    assert!(
        response.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
        "{response}"
    );
    assert!(response.contains("This is an MQTT broker"), "{response}");
    assert!(matches!(
        accepted,
        Err(UpgradeError::Refused(Refused::NoWebSocket))
    ));
}

#[tokio::test]
async fn a_request_without_end_is_read_to_its_bound() {
    let endless = "GET /mqtt HTTP/1.1\r\nX: ".to_owned() + &"a".repeat(4 * REQUEST_BYTES_MAX);
    let (response, accepted) = response_to(&endless).await;
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    assert!(matches!(
        accepted,
        Err(UpgradeError::Refused(Refused::TooLarge))
    ));
}

/// Whatever is asked, an answer is one response whose header the request has no part in.
#[test]
fn fuzz_websocket_upgrades() {
    let listed = upgrade(&["https://shop.example"]);
    let (mut good, mut refused) = (0, 0);
    for bytes in corpus("websocket_upgrade", 2000) {
        match listed.answer(&bytes) {
            Ok(agreed) => {
                // Empty lines may come before it (RFC 9112, section 2.2).
                let empty = bytes.iter().take_while(|byte| b"\r\n".contains(byte));
                let request = &bytes[empty.count()..];
                assert!(
                    request.starts_with(b"GET /mqtt"),
                    "{}",
                    bytes.escape_ascii()
                );
                assert_eq!(agreed.accept.len(), 28, "{}", bytes.escape_ascii());
                good += 1;
            }
            Err(why) => {
                let response = why.response();
                let (head, body) = response.split_once("\r\n\r\n").unwrap();
                assert!(head.lines().count() <= 6, "{response:?}");
                assert!(head.ends_with("Connection: close"), "{response:?}");
                assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
                let is_shown = |character: char| character == '\n' || !character.is_control();
                assert!(body.chars().all(is_shown), "{response:?}");
                refused += 1;
            }
        }
    }
    assert!(
        good > 100 && refused > 1000,
        "{good} good, {refused} refused"
    );
}
