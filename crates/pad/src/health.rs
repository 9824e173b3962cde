//! `pad health`: whether a server on this machine accepts requests, for health checks of containers and supervisors.

use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use pad_client::{Client, Connections};

use crate::config_file::ConfigFile;
use crate::output;
use crate::settings::Settings;

/// Time limit of a health check.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The flags of `pad health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Port of the server; default: that of the settings (`server.port`, `PAD_PORT`)
    #[arg(long)]
    pub port: Option<u16>,
}

/// Requests `/ready` on the loopback interface.
///
/// # Errors
///
/// When nothing answers within two seconds, or the server does not accept requests.
pub fn run(args: &HealthArgs, settings: &Settings) -> anyhow::Result<()> {
    ensure!(
        !settings.server.tls.on(),
        "`pad health` does not support TLS, but server.tls is set: request `/ready` over HTTPS instead"
    );
    let port = args.port.unwrap_or(settings.server.port);
    let connections = Connections { most: 1, timeout: TIMEOUT };
    let client = Client::new(&format!("http://127.0.0.1:{port}"), None, connections)?;
    client.ready().with_context(|| format!("no server on port {port} accepts requests"))?;
    Ok(output::print("ready\n")?)
}
