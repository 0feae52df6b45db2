//! What shells and `man` are told about the command.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use common::{Folder, output, squall};

/// The commands below one that a help text lists, with the path to each.
fn commands(path: &[&str]) -> Vec<String> {
    let mut arguments = path.to_vec();
    arguments.push("--help");
    let (help, _) = output(&mut squall(&arguments));
    let lines = help
        .lines()
        .skip_while(|line| *line != "Commands:" && *line != "Topologies:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    let mut found = Vec::new();
    for name in names {
        let mut below = path.to_vec();
        below.push(name);
        found.push(below.join("-"));
        found.extend(commands(&below));
    }
    found
}

#[test]
fn each_command_has_a_man_page() {
    let folder = Folder::with(&[]);
    let dir = folder.path("share/man/man1");
    assert_eq!(
        output(&mut squall(&["man", &dir])),
        (String::new(), String::new())
    );

    let pages = std::fs::read_dir(&dir).unwrap();
    let pages = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> = pages.collect();
    let expected = commands(&[])
        .into_iter()
        .map(|name| format!("squall-{name}.1"));
    let expected: BTreeSet<String> = expected.chain(["squall.1".to_owned()]).collect();
    assert!(expected.contains("squall-run-top-users.1"), "{expected:?}");
    assert!(expected.contains("squall-depot-append.1"), "{expected:?}");
    assert_eq!(pages, expected);

    let page = std::fs::read_to_string(Path::new(&dir).join("squall-run-top-users.1")).unwrap();
    assert!(page.contains(".SH SYNOPSIS"), "{page}");
    // Of the run and of the topology.
    for option in ["\\-\\-data\\-dir", "\\-\\-counters"] {
        assert!(page.contains(option), "no {option} in {page}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let folder = Folder::with(&[("file", b"")]);
    let mut man = squall(&["man", &folder.path("file")]);
    let output = man.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("cannot write man pages to `"), "{stderr}");
}

#[test]
fn every_shell_gets_a_script_that_names_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (script, stderr) = output(&mut squall(&["completions", shell]));
        assert_eq!(stderr, "");
        for name in ["rolling-top-words", "inspect", "data-dir", "completions"] {
            assert!(script.contains(name), "{shell} has no {name}");
        }
    }
}

/// Bash reads the script and completes by it, as it does when somebody types.
#[cfg(unix)]
#[test]
fn bash_completes_commands_and_options() {
    let (script, _) = output(&mut squall(&["completions", "bash"]));
    let folder = Folder::with(&[("squall.bash", script.as_bytes())]);
    let asked = r#"
        set -e
        bash -n "$1"
        source "$1"
        complete -p squall
        COMP_WORDS=(squall run rolling-top-words --data-d) COMP_CWORD=3
        _squall squall --data-d rolling-top-words
        echo "${COMPREPLY[@]}"
        COMP_WORDS=(squall comp) COMP_CWORD=1
        _squall squall comp squall
        echo "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["--norc", "--noprofile", "-c", asked, "bash"])
        .arg(folder.path("squall.bash"))
        .output()
        .unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr, "");
    assert!(stdout.contains("-F _squall"), "{stdout}");
    assert!(
        stdout.ends_with("\n--data-dir\ncompact completions\n"),
        "{stdout}"
    );
}
