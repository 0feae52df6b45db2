//! A server on a socket, that takes numbered lines and has each once.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A server: `NUMBER LINE` is taken where the number is that of the next line, and answered with
/// how many lines there are.
#[derive(Clone, Debug)]
pub struct Server {
    lines: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
}

impl Server {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let server = Self {
            lines: Arc::default(),
            address: listener.local_addr()?,
        };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                // A client that is killed leaves a broken connection, which is its affair.
                thread::spawn(move || serving.serve(stream).ok());
            }
        });
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let requests = BufReader::new(stream.try_clone()?);
        for request in requests.lines() {
            let request = request?;
            let (number, line) = request.split_once(' ').unwrap_or_default();
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if number.parse() == Ok(lines.len()) {
                lines.push(line.to_owned());
            }
            let there = lines.len();
            drop(lines);
            // In one write: a connection holds a second one back until the first is acknowledged.
            stream.write_all(format!("{there}\n").as_bytes())?;
        }
        Ok(())
    }
}
