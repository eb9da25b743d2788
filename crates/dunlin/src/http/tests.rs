use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::*;

/// A server that answers each request as told, until it is dropped.
pub(crate) struct Answering {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Answering {
    /// `answer` is given the body of a request, and gives a status and a body.
    pub(crate) fn start(mut answer: impl FnMut(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                serve(&stream.unwrap(), &mut answer);
            }
        });
        Self {
            address,
            is_over,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/path", self.address)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(stream: &TcpStream, answer: &mut impl FnMut(&str) -> (u16, String)) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, body) = answer(std::str::from_utf8(&body).unwrap());
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\nconnection: close\r\n\
         location: http://127.0.0.1:1/elsewhere\r\n\r\n"
    );
    let mut stream = stream;
    // One that had enough of it has closed.
    let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
}

pub(crate) fn client() -> HttpClient {
    HttpClient::new(Duration::from_secs(10), None).unwrap()
}

#[test]
fn an_answer_has_a_status_and_a_body() {
    let server = Answering::start(|body| (418, format!("{body}!")));
    let answer = client().post_json(&server.url(), "{}").unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (418, &b"{}!"[..]));
    assert!(matches!(
        client().get(&server.url()),
        Err(HttpError::Status(418))
    ));
}

#[test]
fn nobody_is_sent_elsewhere() {
    let server = Answering::start(|_| (302, String::new()));
    let answer = client().post_json(&server.url(), "{}").unwrap();
    assert_eq!(answer.status, 302);
}

#[test]
fn an_answer_without_end_is_given_up() {
    let server = Answering::start(|_| (200, "x".repeat(2 << 20)));
    assert!(matches!(
        client().get(&server.url()),
        Err(HttpError::Failed(_))
    ));
}

// Class 16 of attacks: a file without authorities trusts nobody, and says so.
#[test]
fn fail_open_configuration_an_empty_file_of_authorities_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    for (text, says) in [
        (None, "cannot be read"),
        (Some(""), "holds no certificate"),
        (Some("nonsense"), "holds no certificate"),
    ] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let error = HttpClient::new(Duration::from_secs(1), Some(&path)).err();
        let error = error.unwrap();
        assert!(error.contains("ca.pem") && error.contains(says), "{error}");
    }
}
