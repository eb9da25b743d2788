//! Enhanced authentication against a scripted peer that plays the server of the RFC's example.

use dunlin_codec::{Auth, AuthProperties, Connack, ConnackProperties, Packet, ReasonCode};

use super::{V5, broker};
use crate::script::Peer;
use crate::{ConnectError, ScramCredentials, ScramError, ScramMechanism};

const METHOD: &str = "SCRAM-SHA-256";

fn auth(data: &[u8]) -> Packet<'_> {
    Packet::Auth(Auth {
        reason_code: ReasonCode::ContinueAuthentication,
        properties: AuthProperties {
            authentication_method: Some(METHOD),
            authentication_data: Some(data),
            ..AuthProperties::default()
        },
    })
}

fn accept(data: Option<&[u8]>) -> Packet<'_> {
    Packet::Connack(Box::new(Connack {
        session_present: false,
        reason_code: ReasonCode::Success,
        properties: ConnackProperties {
            authentication_method: Some(METHOD),
            authentication_data: data,
            ..ConnackProperties::default()
        },
    }))
}

/// Takes CONNECT; gives the nonce of what the client says first.
async fn nonce(peer: &mut Peer) -> String {
    let connect = peer.receive().await.unwrap();
    let Packet::Connect(connect) = connect.packet() else {
        panic!("{connect:?}")
    };
    assert_eq!((connect.user_name, connect.password), (None, None));
    let properties = connect.properties;
    assert_eq!(properties.authentication_method, Some(METHOD));
    let first = std::str::from_utf8(properties.authentication_data.unwrap()).unwrap();
    first.strip_prefix("n,,n=user,r=").unwrap().to_owned()
}

// [v5 MQTT-4.12.0-3] [v5 MQTT-4.12.0-5]
#[tokio::test]
async fn a_server_that_proves_nothing_is_left() {
    let (listener, mut options) = broker(V5).await;
    options.connect.scram = Some(ScramCredentials {
        mechanism: ScramMechanism::Sha256,
        user_name: "user".to_owned(),
        password: "pencil".to_owned(),
    });
    for (last, error) in [
        (None, ScramError::Unproven),
        (Some(b"v=AAAA".as_slice()), ScramError::Unproven),
        (
            Some(b"e=no".as_slice()),
            ScramError::Server("no".to_owned()),
        ),
    ] {
        let played = async {
            let mut peer = listener.accept(V5).await.unwrap();
            let nonce = nonce(&mut peer).await;
            let first = format!("r={nonce}more,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
            peer.send(&auth(first.as_bytes())).await.unwrap();
            let answer = peer.receive().await.unwrap();
            let Packet::Auth(answer) = answer.packet() else {
                panic!("{answer:?}")
            };
            assert_eq!(answer.reason_code, ReasonCode::ContinueAuthentication);
            assert_eq!(answer.properties.authentication_method, Some(METHOD));
            let proof = std::str::from_utf8(answer.properties.authentication_data.unwrap());
            assert!(
                proof
                    .unwrap()
                    .starts_with(&format!("c=biws,r={nonce}more,p="))
            );
            peer.send(&accept(last)).await.unwrap();
            peer.expect_close().await.unwrap();
        };
        let (result, ()) = tokio::join!(options.clone().connect(), played);
        match result {
            Err(ConnectError::Scram(told)) => assert_eq!(told, error),
            other => panic!("{other:?}"),
        }
    }
}

// [v5 MQTT-4.12.0-6]
#[tokio::test]
async fn auth_that_was_not_asked_for_ends_the_connection() {
    let (listener, options) = broker(V5).await;
    let played = async {
        let mut peer = listener.accept(V5).await.unwrap();
        peer.receive().await.unwrap();
        peer.send(&auth(b"r=x")).await.unwrap();
        peer.expect_close().await.unwrap();
    };
    let (result, ()) = tokio::join!(options.connect(), played);
    assert!(
        matches!(result, Err(ConnectError::Violation(_))),
        "{result:?}"
    );
}
