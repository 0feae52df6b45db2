//! The program in Python of the document about `RisingWave` publishes, and a run counts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use squall_testbed::kafka::{PASSWORD, USER};
use squall_testbed::{python, shared};

use crate::common::{counts, json, squall};
use crate::topics::{self, PACKAGES};

/// The program, out of the document; none, said on one line, in a clone of the repository alone.
/// Where `CI=true` says that everything must be there, that is a failure.
fn program() -> Option<String> {
    let shared = std::env::var_os("SQUALL_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let document = shared.join("seeds/risingwave-kafka-redis.txt");
    let Ok(text) = std::fs::read_to_string(&document) else {
        let missing = format!("{} is missing", document.display());
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("skipped: {missing}");
        return None;
    };
    let begin = text.find("import json").unwrap();
    let end = "time.sleep(3)\n";
    let length = text[begin..].find(end).unwrap() + end.len();
    Some(text[begin..begin + length].to_owned())
}

#[test]
fn what_the_documents_program_publishes_is_counted() {
    const EVENTS: usize = 50;
    let Some(program) = program() else {
        return;
    };
    let at = shared::kafka().unwrap();
    topics::make(&at.address, "test", 2);
    // Its loop has an end here, and does not sleep; where it publishes is what it leaves open.
    let program = program
        .replace("while True:", &format!("for _ in range({EVENTS}):"))
        .replace("time.sleep(3)", "pass")
        .replace(
            "  sasl_mechanism=",
            "  ssl_cafile=sys.argv[3],\n  sasl_mechanism=",
        );
    let head = "import sys\nkafka_url, username, ca, password = sys.argv[1:5]\n";
    let mut publishes = Command::new(python(PACKAGES).unwrap());
    publishes.args(["-c", &(head.to_owned() + &program)]);
    publishes.args([
        &at.sasl_address,
        USER,
        &at.ca.display().to_string(),
        PASSWORD,
    ]);
    let published = publishes.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&published.stderr);
    assert!(published.status.success(), "{errors}");
    let printed = String::from_utf8_lossy(&published.stdout);

    let input = format!("kafka://{}/test", at.sasl_address);
    let mut run = squall(&["run", "rolling-top-words", "--input", &input]);
    run.args(["--until-end", "--field", "event", "--split", "none"]);
    run.args(["--window", "all", "--json"]);
    run.env("SQUALL_KAFKA_SECURITY_PROTOCOL", "SASL_SSL");
    run.env("SQUALL_KAFKA_SASL_MECHANISM", "SCRAM-SHA-256");
    run.env("SQUALL_KAFKA_SASL_USERNAME", USER);
    run.env("SQUALL_KAFKA_SASL_PASSWORD", PASSWORD);
    run.env("SQUALL_KAFKA_SSL_CA_LOCATION", &at.ca);
    let ran = run.output().unwrap();
    let logged = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{logged}");
    let rankings = json(&String::from_utf8_lossy(&ran.stdout));
    let ranking = rankings.last().unwrap_or_else(|| panic!("{logged}"));
    for event in ["click", "scroll", "submit", "download", "focus"] {
        let sent = printed.matches(&format!("'event': '{event}'")).count();
        let counted = counts(ranking);
        let told = format!("{event} {sent}");
        assert!(
            sent == 0 || counted.split(", ").any(|count| count == told),
            "{told}: {counted}"
        );
    }
    assert_eq!(printed.matches("Payload").count(), EVENTS);
}
