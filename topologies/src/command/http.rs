//! The statistics of a run by HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use squall_http::{HttpError, HttpOptions, Listening, Server, Token, listen};

use super::status::Ending;
use squall::run::Watch;

/// The environment's token, which stands on no command line.
const TOKEN: &str = "SQUALL_HTTP_TOKEN";

#[derive(Args)]
pub(super) struct Http {
    /// Serve statistics over HTTP while the run goes on: /metrics for Prometheus, /health,
    /// /api/topology. Addresses that other computers can reach need a token
    #[arg(long = "http", global = true, value_name = "IP:PORT")]
    http: Option<SocketAddr>,
    /// Answer only HTTP requests that bring the token in this file; without this option, the token
    /// in `SQUALL_HTTP_TOKEN` of the environment, if it is set
    #[arg(long, global = true, value_name = "FILE", requires = "http")]
    http_token_file: Option<PathBuf>,
}

impl Http {
    /// Takes the address, before anything runs.
    pub(super) fn listen(&self) -> Result<Option<Listening>, Ending> {
        let Some(address) = self.http else {
            return Ok(None);
        };
        let mut options = HttpOptions::at(address);
        options.token = self.token().map_err(Ending::input)?;
        listen(options).map(Some).map_err(Ending::input)
    }

    fn token(&self) -> Result<Option<Token>, HttpError> {
        if let Some(path) = &self.http_token_file {
            return Token::read(path).map(Some);
        }
        let token = std::env::var_os(TOKEN).map(|token| token.to_string_lossy().parse());
        token.transpose()
    }
}

/// Serves what is seen of a run, until the server is dropped.
pub(super) fn serve(listening: Option<Listening>, watch: Watch) -> Result<Option<Server>, Ending> {
    let Some(listening) = listening else {
        return Ok(None);
    };
    let server = listening.serve(watch).map_err(Ending::input)?;
    tracing::info!("statistics are at http://{}/metrics", server.address());
    Ok(Some(server))
}
