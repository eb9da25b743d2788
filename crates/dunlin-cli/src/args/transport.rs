//! Which way the bytes take to the server.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use dunlin_client::{Address, Endpoint, TlsConfig, TlsOptions, WebSocketEndpoint};
use serde::{Deserialize, Serialize};

use super::values::pair;
use crate::defaults;
use crate::failure::{Failure, usage};

/// A way for MQTT's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// TCP
    #[value(alias = "tcp")]
    Mqtt,
    /// TLS
    #[value(alias = "ssl", alias = "tls")]
    Mqtts,
    /// WebSocket
    Ws,
    /// WebSocket over TLS
    Wss,
    /// One stream of QUIC
    Quic,
    /// Unix domain socket
    Unix,
}

impl Protocol {
    /// The port that servers have for it.
    pub(crate) const fn usual_port(self) -> u16 {
        match self {
            Self::Mqtt | Self::Unix => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 8083,
            Self::Wss => 8084,
            Self::Quic => 14567,
        }
    }

    pub(crate) const fn has_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss | Self::Quic)
    }

    const fn is_web_socket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
}

/// Host, port, protocol, and what each protocol needs.
#[derive(Clone, Debug, Args)]
pub(super) struct TransportArgs {
    /// Host name or address of the server [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST")]
    hostname: Option<String>,

    /// Port of the server [default: 1883, 8883 mqtts, 8083 ws, 8084 wss, 14567 quic]
    #[arg(short = 'p', long, value_name = "PORT")]
    port: Option<u16>,

    /// mqtt, mqtts, ws, wss, quic or unix [default: mqtt]
    #[arg(
        short = 'l',
        long,
        value_name = "PROTOCOL",
        value_enum,
        hide_possible_values = true
    )]
    protocol: Option<Protocol>,

    /// Path of the WebSocket [default: /mqtt], or of the Unix socket
    #[arg(long, value_name = "PATH")]
    path: Option<String>,

    /// -wh: headers of the WebSocket's request, each as "NAME: VALUE"
    #[arg(long, value_name = "HEADER", num_args = 1.., action = ArgAction::Append)]
    ws_headers: Vec<String>,

    /// PEM file of the certificates to trust [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// PEM file of the client's certificate
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// PEM file of the private key of --cert
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Accept any certificate
    #[arg(long)]
    insecure: bool,

    /// Application protocols to offer in TLS
    #[arg(long, value_name = "NAME", num_args = 1.., action = ArgAction::Append)]
    alpn: Vec<String>,
}

impl TransportArgs {
    fn protocol(&self) -> Protocol {
        self.protocol
            .unwrap_or_else(|| defaults::current().protocol)
    }

    fn address(&self, host: Option<&str>) -> Address {
        let defaults = defaults::current();
        let protocol = self.protocol();
        let host = host.or(self.hostname.as_deref()).unwrap_or(&defaults.host);
        // A port of the configuration belongs to its protocol.
        let configured = defaults.port.filter(|_| protocol == defaults.protocol);
        let port = self.port.or(configured);
        Address::new(host, port.unwrap_or_else(|| protocol.usual_port()))
    }

    pub(super) fn endpoint(&self, host: Option<&str>) -> Result<Endpoint, Failure> {
        Ok(match self.protocol() {
            Protocol::Mqtt => Endpoint::Tcp(self.address(host)),
            Protocol::Mqtts => Endpoint::Tls(self.address(host), self.tls()?),
            Protocol::Ws => Endpoint::WebSocket(Box::new(self.web_socket(host, None)?)),
            Protocol::Wss => {
                Endpoint::WebSocket(Box::new(self.web_socket(host, Some(self.tls()?))?))
            }
            Protocol::Quic => Endpoint::Quic(self.address(host), self.tls()?),
            Protocol::Unix => match &self.path {
                Some(path) => Endpoint::Unix(path.into()),
                None => {
                    return Err(usage(
                        "--protocol unix needs --path, the path of the socket",
                    ));
                }
            },
        })
    }

    fn tls(&self) -> Result<TlsConfig, Failure> {
        let options = TlsOptions {
            ca: self.ca.clone(),
            certificate: self.cert.clone(),
            key: self.key.clone(),
            accepts_any_certificate: self.insecure,
            alpn: self.alpn.clone(),
        };
        options
            .build()
            .map_err(|error| usage(format!("TLS: {error}")))
    }

    fn web_socket(
        &self,
        host: Option<&str>,
        tls: Option<TlsConfig>,
    ) -> Result<WebSocketEndpoint, Failure> {
        let headers = self.ws_headers.iter();
        let headers: Result<_, _> = headers.map(|text| pair("--ws-headers", text)).collect();
        Ok(WebSocketEndpoint {
            address: self.address(host),
            path: self.path.clone().unwrap_or_else(|| "/mqtt".to_owned()),
            headers: headers?,
            tls,
        })
    }

    /// Flags that are given, and mean nothing with the chosen protocol.
    pub(super) fn without_effect(&self) -> Vec<String> {
        let protocol = self.protocol();
        let (tls, web) = (protocol.has_tls(), protocol.is_web_socket());
        let is_unix = protocol == Protocol::Unix;
        let flags = [
            ("--hostname", self.hostname.is_some() && is_unix),
            ("--port", self.port.is_some() && is_unix),
            ("--path", self.path.is_some() && !web && !is_unix),
            ("--ws-headers", !self.ws_headers.is_empty() && !web),
            ("--ca", self.ca.is_some() && !tls),
            ("--cert", self.cert.is_some() && !tls),
            ("--key", self.key.is_some() && !tls),
            ("--insecure", self.insecure && !tls),
            ("--alpn", !self.alpn.is_empty() && !tls),
        ];
        let name = protocol.to_possible_value();
        let name = name.as_ref().map_or("", |value| value.get_name());
        let without = flags.into_iter().filter(|(_, is_idle)| *is_idle);
        without
            .map(|(flag, _)| format!("{flag} has no effect with protocol {name}"))
            .collect()
    }
}
