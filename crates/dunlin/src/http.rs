//! A client for HTTP that waits: it is used on threads of its own.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// A client with its connections, which it keeps.
pub(crate) struct HttpClient {
    agent: Agent,
}

/// Why there is no answer. It shows neither what was sent nor what came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The request or the answer did not get through.
    #[error("{0}")]
    Failed(String),
    /// The answer is an error.
    #[error("the answer has status {0}")]
    Status(u16),
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Not the body.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl HttpClient {
    /// A client that gives up on a request after `timeout`. Servers are verified with the authorities
    /// of `ca_file`, or with those that the system trusts.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn new(timeout: Duration, ca_file: Option<&Path>) -> Result<Self, String> {
        let authorities = match ca_file {
            Some(path) => authorities(path)?,
            None => rustls_native_certs::load_native_certs()
                .certs
                .iter()
                .map(|certificate| Certificate::from_der(certificate).to_owned())
                .collect(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::Specific(Arc::new(authorities)))
            .build();
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // Nobody but the configuration says where secrets are sent.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent("dunlin")
            .tls_config(tls)
            .build();
        Ok(Self {
            agent: config.into(),
        })
    }

    /// GET; an answer with any status but 200 is an error.
    pub(crate) fn get(&self, url: &str) -> Result<Vec<u8>, HttpError> {
        match read(self.agent.get(url).call())? {
            Answer { status: 200, body } => Ok(body),
            Answer { status, .. } => Err(HttpError::Status(status)),
        }
    }

    /// POST of JSON; the answer may have any status.
    pub(crate) fn post_json(&self, url: &str, body: &str) -> Result<Answer, HttpError> {
        let request = self.agent.post(url);
        read(
            request
                .header("content-type", "application/json")
                .header("accept", "application/json")
                .send(body),
        )
    }
}

fn read(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Answer, HttpError> {
    let failed = |error: ureq::Error| HttpError::Failed(error.to_string());
    let mut answer = answer.map_err(failed)?;
    let status = answer.status().as_u16();
    let reader = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    Ok(Answer {
        status,
        body: reader.read_to_vec().map_err(failed)?,
    })
}

/// The certificates of a file; one at least, since none would trust nobody, or with other programs
/// everybody.
fn authorities(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let error = |what: String| format!("{}: {what}", path.display());
    let text = std::fs::read(path).map_err(|what| error(format!("cannot be read: {what}")))?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|what| error(what.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(error("holds no certificate".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
pub(crate) mod tests;
