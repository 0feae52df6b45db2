//! Programs of this computer.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Error, Result};

/// Runs a program to its end, and gives what it has printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    run_with(command, "")
}

/// The same with standard input.
pub(crate) fn run_with(command: &mut Command, input: &str) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = command.spawn().and_then(|mut child| {
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read has its reasons, which its status tells.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    });
    let output = output.map_err(|error| Error::start(&program, error))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let log = text(&output.stderr) + &text(&output.stdout);
    Err(Error::Ended {
        server: program,
        log,
    })
}

/// A program that servers need, and the Debian package that has it.
struct Program {
    name: &'static str,
    what: &'static str,
    package: &'static str,
}

const PROGRAMS: [Program; 7] = [
    Program {
        name: "java",
        what: "the Kafka broker of the tests",
        package: "default-jre-headless",
    },
    Program {
        name: "mvn",
        what: "the Kafka broker of the tests, whose jars it fetches,",
        package: "maven",
    },
    Program {
        name: "openssl",
        what: "the TLS of the servers of the tests",
        package: "openssl",
    },
    Program {
        name: "redis-server",
        what: "the Redis of the tests",
        package: "redis-server",
    },
    Program {
        name: "initdb",
        what: "the PostgreSQL of the tests",
        package: "postgresql",
    },
    Program {
        name: "psql",
        what: "a look into the PostgreSQL of the tests",
        package: "postgresql-client",
    },
    Program {
        name: "python3",
        what: "a reader of what squall writes in the tests",
        package: "python3-venv",
    },
];

/// The Debian packages of the programs that the servers need and that are not on this computer.
#[must_use]
pub fn missing_packages() -> Vec<&'static str> {
    let absent = PROGRAMS
        .iter()
        .filter(|program| find(program.name).is_none());
    let mut packages: Vec<_> = absent.map(|program| program.package).collect();
    if find("python3").is_some() && !has_venv() {
        packages.push("python3-venv");
    }
    packages
}

/// Whether Python can make environments: Debian has what it needs for that in a package of its own.
pub(crate) fn has_venv() -> bool {
    let mut python = Command::new("python3");
    run(python.args(["-c", "import venv, ensurepip"])).is_ok()
}

/// The path of one of the programs.
pub(crate) fn program(name: &'static str) -> Result<PathBuf> {
    find(name).ok_or_else(|| {
        let known = PROGRAMS.iter().find(|program| program.name == name);
        Error::Missing {
            program: name,
            what: known.map_or("a server of the tests", |program| program.what),
            package: known.map_or(name, |program| program.package),
        }
    })
}

/// The path of a program: where Debian has PostgreSQL's, or on `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<PathBuf> = versions.flatten().map(|at| at.path().join("bin")).collect();
    versions.sort();
    let mut all = versions
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path));
    all.find_map(|folder| Some(folder.join(program)).filter(|file| file.is_file()))
}

/// A folder below the build folder that stays from run to run, for what is fetched. Processes take
/// turns: one fetches, the others find it.
pub(crate) fn fetched(name: &str, fetch: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let build = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    let above = build.join("testbed");
    let folder = above.join(name);
    let told = |error| Error::file(folder.display().to_string(), error);
    fs::create_dir_all(&above).map_err(told)?;
    let turn = File::create(above.join(format!("{name}.lock"))).map_err(told)?;
    turn.lock().map_err(told)?;
    if !folder.is_dir() {
        let part = above.join(format!("{name}.part"));
        let _ = fs::remove_dir_all(&part);
        fs::create_dir(&part).map_err(told)?;
        fetch(&part)?;
        fs::rename(&part, &folder).map_err(told)?;
    }
    Ok(folder)
}

/// A port that nobody has now.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0");
    let port = listener.and_then(|listener| Ok(listener.local_addr()?.port()));
    port.map_err(|error| Error::file("a free port", error))
}

/// Makes a certificate that has signed itself, for `localhost`: `ca.pem`, and its key in `key.pem`.
pub(crate) fn certificate(folder: &Path) -> Result<()> {
    let mut openssl = Command::new(program("openssl")?);
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]);
    openssl.args(["-days", "30", "-subj", "/CN=localhost", "-addext"]);
    openssl.arg("subjectAltName=DNS:localhost,IP:127.0.0.1");
    openssl.arg("-keyout").arg(folder.join("key.pem"));
    openssl.arg("-out").arg(folder.join("ca.pem"));
    run(&mut openssl).map(drop)
}

/// Whether this process is root's.
#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // The owner of this process's own folder.
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

/// There is no root.
#[cfg(not(unix))]
pub(crate) fn is_root() -> bool {
    false
}
