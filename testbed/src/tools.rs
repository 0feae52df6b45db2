//! Programs of this computer.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
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

/// The path of a program, looked for in these folders and on `PATH`.
pub(crate) fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = folders.iter().cloned().chain(std::env::split_paths(&path));
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
    if find("openssl", &[]).is_none() {
        return Err(Error::Missing {
            program: "openssl",
            what: "the certificates of the tests",
            remedy: "apt-get install openssl",
        });
    }
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]);
    openssl.args(["-days", "30", "-subj", "/CN=localhost", "-addext"]);
    openssl.arg("subjectAltName=DNS:localhost,IP:127.0.0.1");
    openssl.arg("-keyout").arg(folder.join("key.pem"));
    openssl.arg("-out").arg(folder.join("ca.pem"));
    run(&mut openssl).map(drop)
}

/// Whether this process is root's.
pub(crate) fn is_root() -> bool {
    // The owner of this process's own folder.
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}
