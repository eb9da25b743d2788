//! Who a client is, and what it may do.
//!
//! [`Authenticator`] is the port; the ways of authentication stand behind it in a chain, of which the
//! first that decides wins. Access rules are read here and decide in the core.

mod access;
pub(crate) mod acl_file;
mod answers;
pub(crate) mod certificate;
mod chain;
mod claimed_rules;
mod hash;
mod http;
mod jwt;
mod password_file;
mod passwords;
mod pool;
mod port;
mod scram;
mod verifier;

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use dunlin_core::access::{Access, RuleSet};

pub use hash::{MakeError, PasswordScheme};
pub use password_file::{PasswordFile, PasswordFileError, STORED_USERS, UserError};
pub use port::{Allowed, Authenticator, Caller, Deciding, Exchange, StillHolds, Verdict};

use crate::config::{AccessConfig, Config, HttpAuthConfig, ListenerConfig, StoreConfig};
use crate::error::StartError;
use crate::files::Reload;
use crate::http::HttpClient;
use access::AccessRules;
use certificate::Certificates;
use chain::Chain;
use http::HttpServer;
use jwt::Tokens;
use passwords::{Passwords, UserSource};
use pool::Pool;
use scram::Scram;

/// Passwords that wait to be checked, at most: more than that, and clients are told to come again.
const CHECKS_WAITING_MAX: usize = 1024;

/// Authentication and authorization of one broker.
pub(crate) struct Auth {
    chain: Chain,
    access: Arc<AccessRules>,
    files: Vec<Arc<dyn Reload>>,
}

impl Auth {
    /// Reads everything that the configuration names. `first` is asked before all that it names.
    pub(crate) fn start(
        config: &Config,
        first: Option<Box<dyn Authenticator>>,
    ) -> Result<Self, StartError> {
        let access = AccessRules::open(&config.access).map_err(StartError::Auth)?;
        let access = Arc::new(access);
        let mut files: Vec<Arc<dyn Reload>> = vec![Arc::clone(&access) as _];
        let mut links: Vec<Box<dyn Authenticator>> = first.into_iter().collect();
        // Who showed a certificate need show nothing else. It is a link only where one can let somebody
        // in: whether there are links at all decides about names and passwords on an open broker.
        let mut listeners = config.listeners.iter();
        if listeners.any(ListenerConfig::knows_clients_by_certificate) {
            links.push(Box::new(Certificates));
        }
        // Tokens are known by their form; passwords are not.
        if !config.auth.jwt.is_empty() {
            let tokens = Tokens::open(&config.auth).map_err(StartError::Auth)?;
            files.append(&mut tokens.sources());
            links.push(Box::new(tokens));
        }
        let users = user_sources(config);
        if !users.is_empty() {
            // Each check takes one core and memory; the others are for messages.
            let threads = available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
            let pool = Pool::start("passwords", threads, CHECKS_WAITING_MAX);
            let pool = Arc::new(pool.map_err(StartError::Worker)?);
            let passwords = Passwords::open(users, pool).map_err(StartError::Auth)?;
            files.push(Arc::clone(&passwords) as _);
            let scram = Scram::new(Arc::clone(&passwords)).map_err(StartError::Random)?;
            links.push(Box::new(passwords));
            links.push(Box::new(scram));
        }
        for http in &config.auth.http {
            links.push(Box::new(http_server(http, config.auth.timeout)?));
        }
        let rules = config.access.http.iter();
        let rules = rules.map(|http| http_server(http, config.auth.timeout));
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Self {
            chain: Chain::new(links, rules, config.auth.timeout),
            access,
            files,
        })
    }

    /// What decides who a client is.
    pub(crate) const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What decides what a client may do.
    pub(crate) fn access(&self) -> Box<dyn Access> {
        Box::new(Arc::clone(&self.access))
    }

    /// What is read again when its files change.
    pub(crate) fn files(&self) -> Vec<Arc<dyn Reload>> {
        self.files.clone()
    }

    /// Takes the access rules of another configuration.
    pub(crate) fn change_access(&self, config: &AccessConfig) -> Result<(), String> {
        self.access.change(config)
    }
}

fn http_server(config: &HttpAuthConfig, timeout: Duration) -> Result<HttpServer, StartError> {
    let client = HttpClient::new(timeout, config.ca_file.as_deref());
    let client = client.map_err(StartError::Auth)?;
    HttpServer::new(client, config).map_err(StartError::Worker)
}

/// The files of users.
fn user_sources(config: &Config) -> Vec<UserSource> {
    let named = config.auth.password_file.clone().map(UserSource::named);
    let stored = match &config.store {
        StoreConfig::Directory(directory) if config.auth.stored_users => {
            Some(UserSource::stored(directory))
        }
        _ => None,
    };
    named.into_iter().chain(stored).collect()
}

/// The access rules that a broker with this configuration would have.
///
/// # Errors
/// What is wrong with their file.
pub fn access_rules(config: &Config) -> Result<RuleSet, String> {
    access::read_once(&config.access)
}
