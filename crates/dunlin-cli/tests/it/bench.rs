//! `dunlin bench`.

use dunlin_client::script::PeerListener;

use super::{accept, dunlin, output};

/// The period is longer than the command waits between two looks at its clients, which must not
/// give up what is to be tried again.
#[tokio::test]
async fn who_never_came_up_is_tried_as_often_as_is_said() {
    let listener = PeerListener::bind().await.unwrap();
    let tries = [
        "--reconnect-period",
        "120",
        "--maximum-reconnect-times",
        "3",
    ];
    let words = ["bench", "sub", "--count", "1", "--topic", "a"];
    let words = [words.as_slice(), &tries].concat();
    let child = dunlin(&words, &listener).spawn().unwrap();
    for _ in 0..4 {
        // Lost before its subscription is answered.
        accept(&listener).await.close();
    }
    let output = output(child).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
