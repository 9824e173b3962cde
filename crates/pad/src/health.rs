//! `pad health`: whether a server on this machine takes requests, for health checks of containers and supervisors.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use crate::config_file::ConfigFile;
use crate::settings::Settings;

/// What a health check may take in all, about.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of the answer that are read: its first line is in them.
const BEGINNING: usize = 64;

/// The flags of `pad health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Ask this port; the settings' (`server.port`, `PAD_PORT`) if not given
    #[arg(long)]
    pub port: Option<u16>,
}

/// Asks `GET /ready` on the loopback interface.
///
/// # Errors
///
/// When nothing answers within two seconds, or the server does not take requests.
pub fn run(args: &HealthArgs, settings: &Settings) -> anyhow::Result<()> {
    ensure!(
        !settings.server.tls.on(),
        "`pad health` does not support TLS, but server.tls is set: request `/ready` over HTTPS instead"
    );
    let port = args.port.unwrap_or(settings.server.port);
    let answer = ask(port).with_context(|| format!("no answer on port {port}"))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    ensure!(status == "200", "the server on port {port} answers {status} to `/ready`");
    println!("ready");
    Ok(())
}

/// The first line of the answer, and what comes with it.
fn ask(port: u16) -> anyhow::Result<String> {
    let address = ("127.0.0.1", port).to_socket_addrs()?.next().context("the loopback interface has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /ready HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::with_capacity(BEGINNING);
    stream.take(BEGINNING as u64).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
