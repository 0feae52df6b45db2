//! What a refusal advises, and what shows the meaning.

use crate::common::{Folder, counts, json, output, squall};

const TEXT: &str = "time,word,other\n1000,storm,a\n2000,rain,b\n3000,storm,a\n";

/// Runs over everything in the folder; gives the status, the last ranking and what was logged.
fn run(folder: &Folder, data: &str, field: &str, more: &[&str]) -> (i32, String, String) {
    let mut command = squall(&["run", "rolling-top-words", "--json", "--window", "all"]);
    command.args(["--input", &folder.path("a.csv"), "--field", field]);
    let ran = command
        .args(["--data-dir", data])
        .args(more)
        .output()
        .unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    let last = json(&printed).last().map(counts).unwrap_or_default();
    let said = String::from_utf8(ran.stderr).unwrap();
    (ran.status.code().unwrap(), last, said)
}

fn refused(folder: &Folder, data: &str, field: &str) -> String {
    let (status, printed, said) = run(folder, data, field, &[]);
    assert_eq!((status, printed.as_str()), (2, ""), "{said}");
    said
}

/// What was refused changes nothing: the first question goes on.
#[test]
fn each_remedy_of_a_refusal_works() {
    let folder = Folder::with(&[("a.csv", TEXT.as_bytes())]);
    let [data, other] = ["data", "other"].map(|name| folder.path(name));
    assert_eq!(run(&folder, &data, "word", &["--keep-open"]).0, 0);
    let said = refused(&folder, &data, "other");
    let parts = [
        "`words`: field is \"word\" there, and \"other\" in this topology",
        "go back to the stored ones",
        "another data directory",
        &format!("`squall reset {data}`"),
    ];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");

    assert_eq!(run(&folder, &other, "other", &[]).1, "a 2, b 1");
    std::fs::write(folder.path("a.csv"), TEXT.to_owned() + "4000,storm,c\n").unwrap();
    assert_eq!(run(&folder, &data, "word", &[]).1, "storm 3, rain 1");
    output(&mut squall(&["reset", &data]));
    assert_eq!(run(&folder, &data, "other", &[]).1, "a 2, b 1, c 1");
}

/// As it says, what is not reset counts it twice: the words of both are in the totals.
#[test]
fn the_meaning_of_a_component_goes_with_its_state() {
    let folder = Folder::with(&[("a.csv", TEXT.as_bytes())]);
    let data = folder.path("data");
    run(&folder, &data, "word", &[]);
    refused(&folder, &data, "other");
    output(&mut squall(&["reset", &data, "--component", "words"]));
    let (text, _) = output(&mut squall(&["inspect", &data]));
    assert!(!text.contains("words means"), "{text}");
    let (status, ranking, said) = run(&folder, &data, "other", &[]);
    assert_eq!(
        (status, ranking.as_str()),
        (0, "a 2, storm 2, b 1, rain 1"),
        "{said}"
    );
    refused(&folder, &data, "word");
}

#[test]
fn a_directory_in_which_nothing_was_committed_is_refused_nothing() {
    let folder = Folder::with(&[("a.csv", TEXT.as_bytes())]);
    let data = folder.path("data");
    drop(squall::DataDir::opened(&data).unwrap());
    assert_eq!(run(&folder, &data, "other", &[]).1, "a 2, b 1");
}

#[test]
fn what_results_mean_is_shown() {
    let folder = Folder::with(&[("a.csv", TEXT.as_bytes())]);
    let data = folder.path("data");
    run(&folder, &data, "word", &[]);
    let (text, _) = output(&mut squall(&["inspect", &data]));
    for part in [
        "words means",
        "field        \"word\"",
        "split        \"words\"",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let (text, _) = output(&mut squall(&["inspect", &data, "--json"]));
    let inspection = json(&text).remove(0);
    let components = inspection["components"].as_array().unwrap().iter();
    let meaning = |id: &str| {
        let mut components = components.clone();
        components.find(|it| it["id"] == id).unwrap()["meaning"].clone()
    };
    assert_eq!(meaning("words")["reads"], "files");
    assert_eq!(meaning("counts")["window_ms"], serde_json::Value::Null);
}
