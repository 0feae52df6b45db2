//! Users and passwords: taken from a file or the environment, and told nowhere.

use squall_testbed::kafka::USER;
use squall_testbed::shared;

use crate::common::{Folder, squall};

const SECRET: &str = "do-not-tell-this";

/// What a run says that does not start.
fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = squall(&["run", "rolling-top-words"]);
    command.args(arguments).envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8(told).unwrap();
    assert!(!told.contains(SECRET), "{told}");
    told
}

#[test]
fn a_password_in_an_address_is_refused_without_it() {
    let address = format!("kafka://ann:{SECRET}@localhost:9092/words");
    for option in ["--input", "--out"] {
        let told = refused(&[option, &address], &[]);
        for part in [option, "--connections", "SQUALL_KAFKA_SASL_PASSWORD"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

#[test]
fn a_wrong_password_is_told_without_it_and_stands_in_no_data_directory() {
    let at = shared::kafka().unwrap();
    let folder = Folder::with(&[("connections", b"")]);
    let connections = [
        "# how the brokers are reached",
        "kafka.security.protocol = SASL_SSL",
        "kafka.sasl.mechanism = SCRAM-SHA-512",
        &format!("kafka.sasl.username = {USER}"),
        &format!("kafka.sasl.password = {SECRET}"),
        &format!("kafka.ssl.ca.location = {}", at.ca.display()),
    ];
    std::fs::write(folder.path("connections"), connections.join("\n")).unwrap();
    let (file, data) = (folder.path("connections"), folder.path("data"));
    let topic = format!("kafka://{}/any", at.sasl_address);
    for option in ["--input", "--out"] {
        let arguments = [option, &topic, "--connections", &file, "--data-dir", &data];
        let told = refused(&arguments, &[("RUST_LOG", "debug")]);
        assert!(told.contains("refuse the connection"), "{told}");
        for entry in std::fs::read_dir(&data).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let secret = SECRET.as_bytes();
            assert!(!bytes.windows(secret.len()).any(|bytes| bytes == secret));
        }
    }
}

#[test]
fn what_is_wrong_in_the_file_is_told_by_its_line_and_not_by_its_value() {
    let wrong = format!("\nkafka.sasl.pasword = {SECRET}\n");
    let folder = Folder::with(&[("connections", wrong.as_bytes())]);
    let file = folder.path("connections");
    let told = refused(
        &[
            "--input",
            "kafka://localhost:9092/words",
            "--connections",
            &file,
        ],
        &[],
    );
    assert!(
        told.contains(":2: there is no property `kafka.sasl.pasword`"),
        "{told}"
    );
    assert!(
        told.contains("did you mean `kafka.sasl.password`?"),
        "{told}"
    );
}

#[test]
fn addresses_that_lead_nowhere_are_told() {
    for (arguments, parts) in [
        (
            ["--input", "kafka://localhost:9092"],
            ["kafka://HOST:PORT/TOPIC", "--input"],
        ),
        (["--out", "mqtt://localhost/words"], ["mqtt://", "--out"]),
        (
            ["--input", "redis://localhost/words"],
            ["redis://", "--input"],
        ),
    ] {
        let told = refused(&arguments, &[]);
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    let of_files = ["--input", "kafka://localhost:9092/words", "--follow"];
    assert!(refused(&of_files, &[]).contains("--follow is for files"));
}
