//! The commands of the chapter on Kafka.

use std::process::Command;

use squall_testbed::shared;

use crate::common::Folder;
use crate::topics;

#[test]
fn the_commands_of_the_chapter_on_kafka_do_what_they_say() {
    let chapter = include_str!("../../../docs/kafka.md");
    let (_, rest) = chapter.split_once("```bash\n").unwrap();
    let (commands, _) = rest.split_once("```").unwrap();
    let brokers = shared::kafka().unwrap().address;
    for topic in ["user-events", "top-events"] {
        topics::make(&brokers, topic, 1);
    }
    let binary = assert_cmd::cargo::cargo_bin!("squall");
    let path = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let folder = Folder::with(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands.replace("localhost:9092", &brokers)]);
    let ran = shell
        .current_dir(folder.path(""))
        .env("PATH", path)
        .output();
    let ran = ran.unwrap();
    let logged = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{logged}");
    let rankings = topics::committed(&brokers, "top-events");
    assert!(
        rankings.iter().any(|ranking| ranking.contains("click")),
        "{logged}"
    );
}
