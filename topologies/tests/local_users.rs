//! What other users of the machine can do with what the command keeps: nothing.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::{Folder, Session, output, squall};
use serde_json::json;

const EVENTS: &[u8] = b"{\"time\":\"2015-09-12T00:00:01Z\",\"page\":\"a\"}\n\
    {\"time\":\"2015-09-13T00:00:01Z\",\"page\":\"b\"}\n";

fn spec() -> Vec<u8> {
    let spec = json!({
        "dataSchema": {
            "timestampSpec": { "column": "time" },
            "dimensionsSpec": { "dimensions": ["page"] },
            "aggregators": [{ "type": "count", "name": "views" }],
            "granularitySpec": { "segmentGranularity": "day", "queryGranularity": "hour" },
        },
    });
    serde_json::to_vec(&spec).unwrap()
}

fn folder() -> Folder {
    Folder::with(&[("events.ndjson", EVENTS), ("spec.json", &spec())])
}

/// The arguments of a rollup of the events in a folder.
fn rollup(folder: &Folder) -> Vec<String> {
    let mut arguments: Vec<_> = ["run", "rollup"].map(str::to_owned).to_vec();
    for (option, name) in [
        ("--spec", "spec.json"),
        ("--input", "events.ndjson"),
        ("--data-dir", "data"),
        ("--archive", "archive"),
    ] {
        arguments.extend([option.to_owned(), folder.path(name)]);
    }
    arguments
}

/// Runs the command with this umask; gives what it logs.
fn under(umask: &str, arguments: &[String]) -> String {
    let run = Command::new("sh")
        .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
        .arg(assert_cmd::cargo::cargo_bin!("squall"))
        .args(arguments)
        .output()
        .unwrap();
    let logged = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success(), "{umask} {arguments:?}: {logged}");
    logged
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything in a directory, and itself, is for its owner alone; gives the number of files.
fn is_private(dir: &Path) -> usize {
    assert_eq!(mode(dir), 0o700, "{}", dir.display());
    let mut files = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += is_private(&path);
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            files += 1;
        }
    }
    files
}

/// Exit status and what was logged.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let run = squall(arguments).output().unwrap();
    (run.status.code(), String::from_utf8(run.stderr).unwrap())
}

#[test]
fn what_is_kept_is_its_users_alone_whatever_the_umask() {
    for umask in ["000", "022", "777"] {
        let folder = folder();
        let [data, archive, copy] = ["data", "archive", "copy"].map(|name| folder.path(name));
        under(umask, &rollup(&folder));
        let words = |text: &[&str]| {
            text.iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        under(umask, &words(&["compact", &data]));
        under(umask, &words(&["backup", &data, &copy]));
        let reindex = [
            "reindex",
            &data,
            "--spec",
            &folder.path("spec.json"),
            "--from",
            "2015-09-12",
            "--to",
            "2015-09-13",
        ];
        under(umask, &words(&reindex));
        // Lock, store, manifest and segments; owner and two files of events at least.
        assert!(is_private(Path::new(&data)) >= 5);
        assert!(is_private(Path::new(&archive)) >= 3);
        assert!(is_private(Path::new(&copy)) >= 4);
    }
}

#[test]
fn the_socket_is_private() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    let session = Session::of(&[
        "depot", "append", &dir, "said", "--input", "-", "--format", "ndjson", "--key", "a",
    ]);
    // Answered by the process that has the directory, whose socket is there by then.
    while !fs::exists(folder.path("data/socket")).unwrap() {
        std::thread::yield_now();
    }
    assert_eq!(mode(&dir), 0o700);
    output(&mut squall(&["inspect", &dir]));
    assert_eq!(mode(folder.path("data/socket")), 0o600);
    session.interrupt();
    assert!(session.end().0.success());
}

#[test]
fn a_directory_that_was_open_to_others_is_closed_and_that_is_told() {
    let folder = folder();
    let data = folder.path("data");
    under("022", &rollup(&folder));
    let open = |path: &str, mode| {
        fs::set_permissions(folder.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    open("data", 0o755);
    open("data/store.redb", 0o644);
    open("data/lock", 0o666);
    let (_, logged) = output(&mut squall(&["inspect", &data]));
    assert!(
        logged.contains("data` was open to other users (mode 755)"),
        "{logged}"
    );
    is_private(Path::new(&data));
    let (_, logged) = output(&mut squall(&["inspect", &data]));
    assert!(!logged.contains("was open"), "{logged}");
}

#[test]
fn an_archive_among_files_of_others_leaves_their_directory_as_it_is() {
    let folder = folder();
    fs::create_dir(folder.path("archive")).unwrap();
    fs::write(folder.path("archive/letter.txt"), "Dear reader").unwrap();
    let before = mode(folder.path("archive"));
    under("022", &rollup(&folder));
    assert_eq!(mode(folder.path("archive")), before);
    for entry in fs::read_dir(folder.path("archive")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("letter.txt") {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
}

#[test]
fn a_pipe_or_link_in_place_of_a_kept_file_is_refused_at_once() {
    for name in ["lock", "socket", "store.redb"] {
        for (kind, found) in [
            ("pipe", "a pipe"),
            ("link", "a symbolic link"),
            ("dir", "a directory"),
        ] {
            let folder = folder();
            let data = folder.path("data");
            under("022", &rollup(&folder));
            let path = format!("{data}/{name}");
            let _ = fs::remove_file(&path);
            fs::write(folder.path("elsewhere"), "of somebody else").unwrap();
            match kind {
                "pipe" => assert!(
                    Command::new("mkfifo")
                        .arg(&path)
                        .status()
                        .unwrap()
                        .success()
                ),
                "link" => symlink(folder.path("elsewhere"), &path).unwrap(),
                _ => fs::create_dir(&path).unwrap(),
            }
            let run = rollup(&folder);
            let run: Vec<_> = run.iter().map(String::as_str).collect();
            let copy = folder.path("copy");
            for arguments in [&run[..], &["inspect", &data], &["backup", &data, &copy]] {
                let (status, logged) = refused(arguments);
                assert_eq!(status, Some(2), "{arguments:?} {kind}: {logged}");
                let wanted = format!("{name}` is not used: it is {found}, not a file");
                assert!(logged.contains(&wanted), "{arguments:?}: {logged}");
            }
            assert_eq!(folder.read("elsewhere"), "of somebody else");
        }
    }
}

/// A link in their place would have cut off or replaced what it leads to.
#[test]
fn nothing_is_written_through_a_link_in_segments_or_archive() {
    let folder = folder();
    fs::write(folder.path("elsewhere"), "of somebody else").unwrap();
    fs::create_dir(folder.path("other")).unwrap();
    let archived = folder.path("archive/2015-09-12T000000Z.ndjson.gz");
    under("022", &rollup(&folder));
    fs::remove_file(&archived).unwrap();
    symlink(folder.path("elsewhere"), &archived).unwrap();
    let run = rollup(&folder);
    let run: Vec<_> = run.iter().map(String::as_str).collect();
    let (status, logged) = refused(&run);
    assert!(
        status != Some(0) && logged.contains("a symbolic link"),
        "{logged}"
    );

    fs::remove_dir_all(folder.path("data")).unwrap();
    fs::remove_dir_all(folder.path("archive")).unwrap();
    under("022", &rollup(&folder));
    let segments = folder.path("data/segments");
    fs::rename(&segments, folder.path("other/segments")).unwrap();
    symlink(folder.path("other/segments"), &segments).unwrap();
    let (status, logged) = refused(&run);
    assert!(status != Some(0), "{logged}");
    assert!(
        logged.contains("segments") && logged.contains("a symbolic link, not a directory"),
        "{logged}"
    );
    assert_eq!(folder.read("elsewhere"), "of somebody else");
}

/// Who owns it can put anything into it. Only the superuser can make such a directory here.
#[test]
fn a_directory_of_another_user_is_refused() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    fs::create_dir(&dir).unwrap();
    let owner = fs::metadata(&dir).unwrap().uid() + 1;
    if std::os::unix::fs::chown(&dir, Some(owner), None).is_err() {
        return;
    }
    let (status, logged) = refused(&["depot", "make", &dir, "said", "--key", "a"]);
    assert_eq!(status, Some(2), "{logged}");
    assert!(
        logged.contains(&format!("belongs to user {owner}")),
        "{logged}"
    );
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

/// The lock cannot be opened by anybody else, so nobody else can hold it; a directory that is
/// reached through links is as good as any.
#[test]
fn a_directory_behind_links_is_used() {
    let folder = folder();
    fs::create_dir(folder.path("disk")).unwrap();
    symlink(folder.path("disk"), folder.path("link")).unwrap();
    let dir = folder.path("link/data");
    output(&mut squall(&["depot", "make", &dir, "said", "--key", "a"]));
    assert_eq!(is_private(Path::new(&folder.path("disk/data"))), 2);
    symlink(folder.path("disk/data"), folder.path("data")).unwrap();
    output(&mut squall(&["inspect", &folder.path("data")]));
}
