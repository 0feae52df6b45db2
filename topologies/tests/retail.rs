//! A year of a shop's invoices, against answers that were computed by another program: read as
//! they are, by runs that are killed, and in three runs on one data directory.

mod common;

use std::io::Write;
use std::path::PathBuf;

use common::{Folder, json, output, real_data, squall};
use serde_json::Value;

/// Customers are empty in a quarter of the rows, and written as `17850.0` in the others; what is
/// sent back has a quantity below zero.
const FIELDS: [&str; 6] = [
    "--user-field",
    "CustomerID",
    "--price-field",
    "UnitPrice",
    "--quantity-field",
    "Quantity",
];

struct Retail {
    by_day: PathBuf,
    answers: Value,
}

impl Retail {
    fn unpacked() -> Option<Self> {
        let (folder, answers) = real_data("online-retail")?;
        let by_day = folder.join("by-day");
        Some(Self { by_day, answers })
    }

    fn input(&self, files: &str) -> String {
        self.by_day.join(files).to_str().unwrap().to_owned()
    }

    fn net(&self) -> &Value {
        &self.answers["top20_customers_net_cents"]
    }

    fn gross(&self) -> &Value {
        &self.answers["top20_customers_gross_cents"]
    }
}

/// Runs to the end, which is a good one; gives what was printed.
fn run(arguments: &[&str]) -> String {
    let mut command = squall(&["run", "top-users"]);
    output(command.args(FIELDS).args(arguments)).0
}

/// The first twenty places of the last of these rankings.
fn first_twenty(lines: &str) -> Value {
    let last = lines.lines().last().unwrap();
    let mut ranking = json(last)[0]["ranking"].take();
    ranking.as_array_mut().unwrap().truncate(20);
    ranking
}

#[test]
fn the_top_customers_net_of_what_they_sent_back() {
    let Some(retail) = Retail::unpacked() else {
        return;
    };
    let input = retail.input("");
    for way in [
        &[][..],
        &[
            "--mode",
            "exact",
            "--top",
            "20",
            "--spouts",
            "1",
            "--counters",
            "1",
        ],
        &[
            "--spouts",
            "7",
            "--counters",
            "3",
            "--batch",
            "7",
            "--epoch",
            "10ms",
        ],
    ] {
        let printed = run(&[&["--input", &input, "--json"], way].concat());
        assert_eq!(first_twenty(&printed), *retail.net(), "{way:?}");
        let last = json(printed.lines().last().unwrap());
        let places = if way.contains(&"20") { 20 } else { 500 };
        assert_eq!(last[0]["ranking"].as_array().unwrap().len(), places);
    }
}

/// Nothing falls here, so the ranking of what changes is right too.
#[test]
fn the_top_customers_without_what_was_sent_back_in_either_mode() {
    let Some(retail) = Retail::unpacked() else {
        return;
    };
    let input = retail.input("*.csv");
    for way in [
        &["--mode", "exact"][..],
        &["--mode", "monotonic"],
        &[
            "--mode",
            "monotonic",
            "--top",
            "20",
            "--epoch",
            "10ms",
            "--counters",
            "7",
        ],
    ] {
        let arguments = [&["--input", &input, "--json", "--skip-negative"], way].concat();
        assert_eq!(first_twenty(&run(&arguments)), *retail.gross(), "{way:?}");
    }
}

/// Everything in a data directory that a user looks at.
fn views(data: &str) -> (String, String) {
    let view = |table| output(&mut squall(&["view", data, table])).0;
    (view("totals.totals"), view("top.top"))
}

#[test]
fn the_files_of_a_year_in_three_runs_on_one_data_directory() {
    let Some(retail) = Retail::unpacked() else {
        return;
    };
    let folder = Folder::with(&[]);
    let [out, data, at_once] = ["out", "data", "at-once"].map(|name| folder.path(name));
    // Other files in each run, and other tasks.
    for (files, tasks) in [
        ("2010-*.csv", "4"),
        ("2011-0*.csv", "2"),
        ("2011-1*.csv", "5"),
    ] {
        let input = retail.input(files);
        let arguments = ["--input", &input, "--data-dir", &data, "--out", &out];
        run(&[&arguments[..], &["--counters", tasks, "--spouts", tasks]].concat());
    }
    assert_eq!(first_twenty(&folder.read("out")), *retail.net());
    run(&["--input", &retail.input(""), "--data-dir", &at_once]);
    assert!(views(&data) == views(&at_once));
}

/// One file that is longer in each run, and ends within a row.
#[test]
fn a_file_that_grows_in_three_runs_on_one_data_directory() {
    let Some(retail) = Retail::unpacked() else {
        return;
    };
    let mut days: Vec<_> = std::fs::read_dir(&retail.by_day).unwrap().collect();
    days.sort_by_key(|day| day.as_ref().unwrap().file_name());
    let mut year = String::new();
    for day in days {
        let day = std::fs::read_to_string(day.unwrap().path()).unwrap();
        let (header, rows) = day.split_once('\n').unwrap();
        if year.is_empty() {
            year = format!("{header}\n");
        }
        year += rows;
    }
    let folder = Folder::with(&[("year.csv", b"")]);
    let [input, out, data] = ["year.csv", "out", "data"].map(|name| folder.path(name));
    let third = year.len() / 3;
    for part in [&year[..third], &year[third..2 * third], &year[2 * third..]] {
        let file = std::fs::OpenOptions::new().append(true).open(&input);
        file.unwrap().write_all(part.as_bytes()).unwrap();
        let mut arguments = vec!["--input", &input, "--data-dir", &data, "--out", &out];
        arguments.extend(["--keep-open", "--skip-negative", "--mode", "monotonic"]);
        run(&arguments);
    }
    assert_eq!(first_twenty(&folder.read("out")), *retail.gross());
}

#[cfg(unix)]
mod kills {
    use std::time::Duration;

    use super::common::Session;
    use super::*;

    /// How often a run is killed.
    const KILLS: usize = 10;

    /// The longest life of a run that is killed, in milliseconds.
    const LONGEST_MS: u64 = 1_200;

    /// So slow that there is something left after all kills.
    const PURCHASES_PER_SECOND: &str = "50000";

    /// Kills a run again and again, and then lets one come to its end: what it has written and
    /// stored is that of a run that nothing happens to.
    fn dies_and_goes_on(mode: &[&str], answer: fn(&Retail) -> &Value) {
        let Some(retail) = Retail::unpacked() else {
            return;
        };
        let seed = fastrand::u64(..);
        eprintln!("seed {seed}");
        let mut moments = fastrand::Rng::with_seed(seed);
        let folder = Folder::with(&[]);
        let [out, data, undisturbed] = ["out", "data", "undisturbed"].map(|name| folder.path(name));
        let input = retail.input("");
        let mut arguments = [&["--input", &input][..], &FIELDS, mode].concat();
        run(&[&["--input", &input, "--data-dir", &undisturbed][..], mode].concat());

        arguments.extend(["--out", &out, "--data-dir", &data, "--commit", "100ms"]);
        arguments.extend(["--every", "50ms", "--rate", PURCHASES_PER_SECOND]);
        let mut written = String::new();
        let mut gone_on = 0;
        for kill in 1..=KILLS {
            let moment = Duration::from_millis(moments.u64(3..LONGEST_MS));
            let mut session = Session::running("top-users", &arguments);
            assert!(
                !session.ends_within(moment),
                "seed {seed}: nothing is left to kill"
            );
            let logged = session.kill();
            gone_on += usize::from(logged.contains("going on from epoch "));
            let now = std::fs::read_to_string(&out).unwrap_or_default();
            assert!(
                now.starts_with(&written),
                "seed {seed}: kill {kill} has taken back what was written"
            );
            written = now;
        }
        assert!(
            gone_on > 0 && !written.is_empty(),
            "seed {seed}: nothing was committed"
        );
        let (status, logged) = Session::running("top-users", &arguments).end();
        assert!(status.success(), "seed {seed}: {status}: {logged}");
        assert_eq!(
            first_twenty(&folder.read("out")),
            *answer(&retail),
            "seed {seed}"
        );
        assert!(views(&data) == views(&undisturbed), "seed {seed}");
    }

    #[test]
    fn the_top_customers_net_through_ten_kills() {
        dies_and_goes_on(&[], Retail::net);
    }

    #[test]
    fn the_top_customers_gross_through_ten_kills() {
        dies_and_goes_on(&["--skip-negative", "--mode", "monotonic"], Retail::gross);
    }
}
