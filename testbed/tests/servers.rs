//! Each server is there, answers as it does, is there again after it was killed, and is gone with the
//! process that has started it.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use squall_testbed::postgres::{PASSWORD, USER};
use squall_testbed::{Error, Kafka, Postgres, Redis};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Sends bytes, and gives the first that come back.
fn ask(address: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request)?;
    let mut answer = vec![0; 4_096];
    let bytes = stream.read(&mut answer)?;
    answer.truncate(bytes);
    Ok(answer)
}

/// Asks a broker for the versions that it speaks: its answer begins with its length and our number.
fn kafka_answers(address: &str) -> io::Result<bool> {
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 1, 2, 3, 4, 0xff, 0xff];
    let answer = ask(address, &request)?;
    Ok(answer.get(4..8) == Some(&[1, 2, 3, 4]))
}

/// Whether a server has a certificate for `localhost` that this one has signed.
fn is_trusted(address: &str, ca: &Path) -> Result<bool> {
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-connect", address, "-verify_hostname"]);
    openssl.args(["localhost", "-verify_return_error", "-CAfile"]);
    openssl.arg(ca).stdin(Stdio::null());
    openssl.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(openssl.status()?.success())
}

#[test]
fn a_broker_answers_and_is_there_again_after_a_kill() -> Result {
    let mut kafka = Kafka::start()?;
    let at = kafka.at();
    assert!(kafka_answers(&at.address)?);
    assert!(is_trusted(&at.sasl_address, &at.ca)?);
    kafka.kill();
    assert!(kafka_answers(&at.address).is_err(), "it is gone");
    kafka.start_again()?;
    assert_eq!(kafka.at(), at, "clients find it where it was");
    assert!(kafka_answers(&at.address)?);
    kafka.stop()?;
    assert!(kafka_answers(&at.address).is_err());
    Ok(())
}

#[test]
fn redis_keeps_what_was_written_when_it_is_stopped_in_good_order() -> Result {
    let mut redis = Redis::start()?;
    let at = redis.at();
    assert_eq!(ask(&at.address, b"PING\r\n")?, b"+PONG\r\n");
    assert!(is_trusted(&at.tls_address, &at.ca)?);
    assert_eq!(ask(&at.address, b"SET squall 1\r\n")?, b"+OK\r\n");
    redis.stop()?;
    assert!(ask(&at.address, b"PING\r\n").is_err());
    redis.start_again()?;
    assert_eq!(ask(&at.address, b"GET squall\r\n")?, b"$1\r\n1\r\n");
    Ok(())
}

#[test]
fn redis_takes_settings_and_says_when_it_is_full() -> Result {
    // Less than it takes by itself.
    let redis = Redis::start_with(&["maxmemory", "100kb"])?;
    let refused = ask(&redis.at().address, b"SET squall 1\r\n")?;
    let refused = String::from_utf8_lossy(&refused).into_owned();
    assert!(refused.starts_with("-OOM"), "{refused}");
    Ok(())
}

/// What `psql` answers to a query, by TLS with a certificate that it trusts.
fn query(postgres: &Postgres, password: &str, query: &str) -> Result<Option<String>> {
    let at = postgres.at();
    let (port, ca) = (at.port, at.ca.display());
    let of = format!("host=localhost port={port} user={USER} dbname={USER}");
    let by = format!("{of} sslmode=verify-full sslrootcert={ca}");
    let mut psql = Command::new("psql");
    psql.args([&by, "-AtXqc", query]);
    psql.env("PGPASSWORD", password);
    let output = psql.output()?;
    let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(answer))
}

#[test]
fn postgres_keeps_what_is_committed_over_a_kill() -> Result {
    let mut postgres = Postgres::start()?;
    let made = "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)";
    assert!(query(&postgres, PASSWORD, made)?.is_some());
    assert_eq!(query(&postgres, "wrong", "SELECT 1")?, None);
    postgres.kill();
    postgres.start_again()?;
    let kept = query(&postgres, PASSWORD, "SELECT n FROM kept")?;
    assert_eq!(kept.as_deref(), Some("7"));
    postgres.stop()?;
    assert_eq!(query(&postgres, PASSWORD, "SELECT 1")?, None);
    Ok(())
}

/// Set in the process that the test below kills.
const CHILD: &str = "SQUALL_TESTBED_CHILD";

#[test]
fn a_server_and_its_folder_go_with_a_process_that_is_killed() -> Result {
    if env::var_os(CHILD).is_some() {
        let redis = Redis::start()?;
        let at = redis.at();
        println!("\nserver {} {}", at.address, at.ca.display());
        // Until it is killed.
        io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let mut child = Command::new(env::current_exe()?);
    child.args(["--exact", "--nocapture"]);
    child.arg("a_server_and_its_folder_go_with_a_process_that_is_killed");
    child
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = child.spawn()?;
    let printed = BufReader::new(child.stdout.take().ok_or("no output")?);
    let line = printed.lines().find_map(|line| {
        let line = line.ok()?;
        line.strip_prefix("server ").map(str::to_owned)
    });
    let line = line.ok_or("the child has started no server")?;
    let (address, ca) = line.split_once(' ').ok_or("no address")?;
    assert_eq!(ask(address, b"PING\r\n")?, b"+PONG\r\n");
    child.kill()?;
    child.wait()?;
    let killed = Instant::now();
    let folder = Path::new(ca).parent().ok_or("no folder")?;
    while TcpStream::connect(address).is_ok() || folder.exists() {
        assert!(killed.elapsed() < Duration::from_secs(20), "it lives on");
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let error = Error::Missing {
        program: "redis-server",
        what: "the Redis of the tests",
        package: "redis-server",
    };
    let said = "`redis-server` is missing, which the Redis of the tests needs: install it, on Debian by \
                `apt-get install redis-server`";
    assert_eq!(error.to_string(), said);
}

#[test]
fn tests_of_a_process_share_one_server() -> Result {
    use squall_testbed::shared;
    let at = shared::redis()?;
    assert_eq!(shared::redis()?, at, "it is one");
    assert_eq!(ask(&at.address, b"PING\r\n")?, b"+PONG\r\n");
    Ok(())
}

#[test]
fn a_python_has_its_packages_and_is_made_once() -> Result {
    let packages = ["prometheus_client==0.22.1"];
    let python = squall_testbed::python(&packages)?;
    let asked = "import importlib.metadata as m; print(m.version('prometheus_client'))";
    let output = Command::new(&python).args(["-c", asked]).output()?;
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(said.trim(), "0.22.1");
    let made = |at: &Path| std::fs::metadata(at.join("pyvenv.cfg"))?.modified();
    let environment = python.parent().and_then(Path::parent).ok_or("a folder")?;
    let before = made(environment)?;
    assert_eq!(squall_testbed::python(&packages)?, python);
    assert_eq!(made(environment)?, before);
    Ok(())
}
