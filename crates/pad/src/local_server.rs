//! A server inside this process, for the commands that query a model: they use HTTP as with any other server.

use std::net::Ipv4Addr;

use anyhow::Context;
use pad_server::ApiKeys;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::serve;
use crate::settings::{Environment, Settings};

/// A server on a free port of this machine; dropping it ends it.
#[derive(Debug)]
pub struct LocalServer {
    url: String,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl LocalServer {
    /// Loads the models that the settings name and serves them. `server.host`, `server.port` and `server.api_keys` do not
    /// hold: it listens on the loopback address only and asks for no key.
    ///
    /// # Errors
    ///
    /// When a model cannot be loaded or no port is available.
    pub fn start(settings: &Settings, environment: &Environment) -> anyhow::Result<Self> {
        let (state, ..) = serve::app_state(settings, environment, ApiKeys::default())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.context("cannot listen on any port of 127.0.0.1")?;
        let url = format!("http://{}", listener.local_addr()?);
        runtime.spawn(pad_server::run(listener, None, state, std::future::pending(), std::future::pending()));
        Ok(Self { url, runtime: Some(runtime) })
    }

    /// Where it listens, without a path: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// The server that a command asks: a running one that its flags name, or one in this process.
#[derive(Debug)]
pub enum AskedServer {
    /// The address of a running server, as it was given.
    Running(String),
    /// A server that ends with this value.
    Local(LocalServer),
}

impl AskedServer {
    /// The server at `url`, or one that is started with the settings.
    ///
    /// # Errors
    ///
    /// As [`LocalServer::start`].
    pub fn at(url: Option<&str>, settings: &Settings, environment: &Environment) -> anyhow::Result<Self> {
        match url {
            Some(url) => Ok(Self::Running(url.to_owned())),
            None => LocalServer::start(settings, environment).map(Self::Local),
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        match self {
            Self::Running(url) => url,
            Self::Local(local) => local.url(),
        }
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
