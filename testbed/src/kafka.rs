//! A Kafka broker: one node that is broker and controller, with a plain listener and one by
//! SASL over TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::guarded::{Guarded, wait_until};
use crate::tools::{certificate, fetched, free_port, program, run};
use crate::{Error, Result};

const POM: &str = include_str!("../kafka/pom.xml");
const LOGGING: &str = include_str!("../kafka/log4j2.properties");
const SETTINGS: &str = include_str!("../kafka/server.properties");

/// Who may log in by SASL, and by what; the name is quoted in no log.
pub const USER: &str = "alice";
/// The password of [`USER`].
pub const PASSWORD: &str = "alice-secret";

/// Where a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaAt {
    /// Without TLS and password: `127.0.0.1:31000`.
    pub address: String,
    /// By SASL over TLS.
    pub sasl_address: String,
    /// The certificate that has signed the broker's.
    pub ca: PathBuf,
}

/// A running broker.
#[derive(Debug)]
pub struct Kafka {
    folder: TempDir,
    jars: PathBuf,
    server: Option<Guarded>,
    ports: Ports,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    control: u16,
    plain: u16,
    sasl: u16,
}

impl Kafka {
    /// Starts a broker with empty topics, and waits until it serves.
    ///
    /// # Errors
    /// Where Java, Maven or openssl is missing, and where it does not get ready, with its log.
    pub fn start() -> Result<Self> {
        let jars = jars()?;
        let folder = tempfile::Builder::new().prefix("squall-kafka-").tempdir();
        let folder = folder.map_err(|error| Error::file("a folder of the broker", error))?;
        make_certificate(folder.path())?;
        let mut kafka = Self {
            folder,
            jars,
            server: None,
            ports: Ports {
                control: free_port()?,
                plain: free_port()?,
                sasl: free_port()?,
            },
        };
        kafka.write_settings()?;
        kafka.format()?;
        kafka.serve()?;
        Ok(kafka)
    }

    /// Where it is.
    #[must_use]
    pub fn at(&self) -> KafkaAt {
        let Ports { plain, sasl, .. } = self.ports;
        KafkaAt {
            address: format!("127.0.0.1:{plain}"),
            sasl_address: format!("localhost:{sasl}"),
            ca: self.path("ca.pem"),
        }
    }

    /// Kills it, as `kill -9` does. It can be started again.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Ends it in good order. It can be started again.
    ///
    /// # Errors
    /// Where it cannot be told to.
    pub fn stop(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.stop(Duration::from_mins(1)),
            None => Ok(()),
        }
    }

    /// Stops its process until [`Kafka::go_on`]: it answers nobody.
    ///
    /// # Errors
    /// Where it cannot be told to.
    pub fn pause(&self) -> Result<()> {
        self.server
            .as_ref()
            .map_or(Ok(()), |server| server.signal("STOP"))
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Where it cannot be told to.
    pub fn go_on(&self) -> Result<()> {
        self.server
            .as_ref()
            .map_or(Ok(()), |server| server.signal("CONT"))
    }

    /// Starts it again, with the same data at the same addresses.
    ///
    /// # Errors
    /// Where it does not get ready.
    pub fn start_again(&mut self) -> Result<()> {
        self.kill();
        self.serve()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.path(name), text).map_err(|error| Error::file(name, error))
    }

    fn write_settings(&self) -> Result<()> {
        let Ports {
            control,
            plain,
            sasl,
        } = self.ports;
        let folder = self.folder.path().display().to_string();
        let settings = SETTINGS
            .replace("{dir}", &folder)
            .replace("{plain}", &plain.to_string())
            .replace("{sasl}", &sasl.to_string())
            .replace("{control}", &control.to_string())
            .replace("{user}", USER)
            .replace("{password}", PASSWORD);
        self.write("server.properties", &settings)?;
        self.write("log4j2.properties", LOGGING)
    }

    /// A machine of Java with little memory that starts quickly.
    fn java(&self, memory: &str) -> Result<Command> {
        let mut java = Command::new(program("java")?);
        java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        java.args(["-XX:-UsePerfData", "-Xshare:auto", memory]);
        let logging = self.path("log4j2.properties");
        java.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        java.arg("-cp").arg(format!("{}/*", self.jars.display()));
        Ok(java)
    }

    fn format(&self) -> Result<()> {
        let mut format = self.java("-Xmx128m")?;
        // 16 bytes in base 64. One that begins with a dash would be taken for an option.
        let id = format!("squall{:015x}A", std::process::id());
        format.args(["kafka.tools.StorageTool", "format", "-t", &id, "-c"]);
        format.arg(self.path("server.properties"));
        format.arg("--standalone");
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let user = format!("{mechanism}=[name={USER},iterations=4096,password={PASSWORD}]");
            format.args(["--add-scram", &user]);
        }
        run(&mut format).map(drop)
    }

    fn serve(&mut self) -> Result<()> {
        let log = self.path("broker.log");
        let mut java = self.java("-Xmx512m")?;
        java.args(["-Xms64m", "kafka.Kafka"]);
        java.arg(self.path("server.properties"));
        let mut server = Guarded::start(&java, self.folder.path(), &log)?;
        wait_until(&mut server, "the Kafka broker", &log, || {
            let text = fs::read_to_string(&log).ok()?;
            text.contains("Kafka Server started").then_some(())
        })?;
        self.server = Some(server);
        Ok(())
    }
}

/// The jars of a broker, fetched once.
fn jars() -> Result<PathBuf> {
    fetched("kafka-4.4.0", |folder| {
        let maven = program("mvn")?;
        let pom = tempfile::tempdir().map_err(|error| Error::file("a folder", error))?;
        let written = fs::write(pom.path().join("pom.xml"), POM);
        written.map_err(|error| Error::file("pom.xml", error))?;
        let mut maven = Command::new(maven);
        maven.args(["-q", "-B", "dependency:copy-dependencies"]);
        maven.arg("-DincludeScope=runtime");
        maven.arg(format!("-DoutputDirectory={}", folder.display()));
        run(maven.current_dir(pom.path())).map(drop)
    })
}

/// The broker wants key and certificate in one file.
fn make_certificate(folder: &Path) -> Result<()> {
    certificate(folder)?;
    let path = |name: &str| folder.join(name);
    let both = fs::read_to_string(path("key.pem"))
        .and_then(|key| Ok(key + &fs::read_to_string(path("ca.pem"))?))
        .and_then(|both| fs::write(path("server.pem"), both));
    both.map_err(|error| Error::file("server.pem", error))
}
