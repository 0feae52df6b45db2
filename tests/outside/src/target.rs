//! A sink with an asynchronous client.

use std::net::SocketAddr;

use squall::asynchronous::AsyncSink;
use squall::{Context, Result, States, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Extreme;

/// Sends each tuple to a [server](crate::server::Server) as a numbered line, when it is committed.
pub struct Lines {
    server: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    /// The number of the next line.
    next: Value<u64>,
    waiting: String,
}

impl Lines {
    /// Sends to the server at this address.
    #[must_use]
    pub fn to(server: SocketAddr) -> Self {
        Self {
            server,
            connection: None,
            next: Value::new(0),
            waiting: String::new(),
        }
    }
}

impl AsyncSink for Lines {
    type Input = Extreme;

    async fn prepare(&mut self, _: &Context) -> Result {
        let connection = TcpStream::connect(self.server).await?;
        self.connection = Some(BufReader::new(connection));
        Ok(())
    }

    async fn write(&mut self, extremes: &[Extreme]) -> Result {
        for Extreme {
            sensor,
            least,
            most,
        } in extremes
        {
            let number = *self.next;
            self.waiting += &format!("{number} {sensor} {least} {most}\n");
            *self.next += 1;
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(Some(std::mem::take(&mut self.waiting).into_bytes()))
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.len()
    }

    async fn deliver(&mut self, outbox: &[u8], _: Option<u64>) -> Result {
        let connection = self.connection.as_mut().ok_or("it is not connected")?;
        for line in outbox.split_inclusive(|byte| *byte == b'\n') {
            connection.write_all(line).await?;
            let mut answer = String::new();
            if connection.read_line(&mut answer).await? == 0 {
                return Err("the server has gone".into());
            }
        }
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("next", &mut self.next);
    }
}
