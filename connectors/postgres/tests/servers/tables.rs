//! Tables: made where they are missing, used where they fit, and what goes into them exactly.

use proptest::prelude::*;
use squall::testing::SinkTest;
use squall::{Result, Sink, Text, Tuple};
use squall_postgres::PostgresSink;
use squall_testbed::shared;

use crate::{Db, Score, score, server, unique};

#[derive(Tuple, Clone, Debug, serde::Serialize)]
struct Order {
    id: Text,
    #[serde(rename = "number")]
    cents: u64,
}

#[derive(Tuple, Clone, Debug, serde::Serialize)]
struct Line {
    shop: Text,
    #[allow(clippy::struct_field_names)]
    line: u32,
    price: Text,
    weight: Option<f64>,
    tags: Vec<Text>,
    paid: bool,
    total: u64,
}

fn line(shop: &str, line: u32) -> Line {
    Line {
        shop: shop.into(),
        line,
        price: "12345678901234567890.123456789".into(),
        weight: None,
        tags: vec!["a\"b".into()],
        paid: true,
        total: 7,
    }
}

fn send<S: Sink>(sink: S, tuples: impl IntoIterator<Item = S::Input>) -> Result {
    let test = tuples.into_iter().fold(SinkTest::new(sink), SinkTest::send);
    test.run().map(drop)
}

#[test]
fn a_missing_table_is_made_with_suited_types() -> Result {
    let at = shared::postgres()?;
    let (db, schema) = (Db::of(&at)?, unique("Shop"));
    db.ask(&format!("CREATE SCHEMA \"{schema}\""))?;
    let table = format!("{schema}.Or\"der lines");
    let sink = || {
        let sink = PostgresSink::new(&server(&at), &table, ["shop", "line"]);
        sink.column("price", "numeric")
            .gone(|line: &Line| !line.paid)
    };
    let heavy = Line {
        weight: Some(0.1),
        ..line("x", 2)
    };
    send(sink(), [line("x", 1), heavy, line("y", 1)])?;
    let types = db.ask(&format!(
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_schema = '{schema}' ORDER BY ordinal_position"
    ))?;
    let expected = [
        "shop text",
        "line bigint",
        "price numeric",
        "weight double precision",
        "tags jsonb",
        "paid boolean",
        "total bigint",
    ];
    assert_eq!(types, expected);
    let gone = Line {
        paid: false,
        ..line("x", 1)
    };
    let changed = Line {
        total: 8,
        ..line("y", 1)
    };
    send(sink(), [gone, changed])?;
    let rows = db.ask(&format!(
        "SELECT * FROM \"{schema}\".\"Or\"\"der lines\" ORDER BY shop, line"
    ))?;
    let price = "12345678901234567890.123456789";
    let expected = [
        format!("x 2 {price} 0.1 [\"a\\\"b\"] t 7"),
        format!("y 1 {price} null [\"a\\\"b\"] t 8"),
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn a_table_that_does_not_fit_is_told_with_what_is_missing() -> Result {
    let at = shared::postgres()?;
    let db = Db::of(&at)?;
    let refused = |columns: &str| -> Result<String> {
        let table = unique("unfit");
        db.ask(&format!("CREATE TABLE {table} ({columns})"))?;
        let sink = PostgresSink::new(&server(&at), &table, ["player"]);
        let error = send(sink, [score(1, 1)]).err().ok_or("it is taken")?;
        assert!(error.to_string().contains(&table), "{error}");
        Ok(error.to_string())
    };
    let error = refused("player bigint PRIMARY KEY, other text")?;
    assert!(
        error.contains("`points`") && error.contains("player, other"),
        "{error}"
    );
    let generated = "player bigint PRIMARY KEY, points bigint GENERATED ALWAYS AS (1) STORED";
    assert!(refused(generated)?.contains("`points`"));
    for not_unique in [
        "player bigint, points bigint",
        "player bigint, points bigint, PRIMARY KEY (player, points)",
        "player bigint, points bigint, UNIQUE (player) DEFERRABLE",
    ] {
        let error = refused(not_unique)?;
        assert!(error.contains("ADD UNIQUE (\"player\")"), "{error}");
    }
    let table = unique("needs");
    db.ask(&format!(
        "CREATE TABLE {table} (player bigint PRIMARY KEY, points bigint, more text NOT NULL)"
    ))?;
    let sink = PostgresSink::new(&server(&at), &table, ["player"]);
    let error = send(sink, [score(1, 1)])
        .err()
        .ok_or("it is taken")?
        .to_string();
    assert!(error.contains("more"), "{error}");
    Ok(())
}

#[test]
fn what_is_no_row_is_told_before_anything_is_written() -> Result {
    let at = shared::postgres()?;
    let server = server(&at);
    let table = unique("no_row");
    let error = |sent: Result| -> Result<String> { Ok(sent.err().ok_or("taken")?.to_string()) };
    let unknown = PostgresSink::new(&server, &table, ["user"]);
    let told = error(send(unknown, [score(1, 1)]))?;
    assert!(
        told.contains("`user`") && told.contains("player, points"),
        "{told}"
    );
    let keyless = PostgresSink::new(&server, &table, [""; 0]);
    let told = error(send(keyless, [score(1, 1)]))?;
    assert!(told.contains("no key"), "{told}");
    let order = Order {
        id: "a".into(),
        cents: 1,
    };
    let renamed = PostgresSink::new(&server, &table, ["id"]);
    let told = error(send(renamed, [order]))?;
    assert!(
        told.contains("`cents`") && told.contains("number"),
        "{told}"
    );
    let nul = PostgresSink::new(&server, &table, ["shop", "line"]);
    let told = error(send(nul, [line("a\0", 1)]))?;
    assert!(told.contains("`shop`") && told.contains("U+0000"), "{told}");
    for name in ["a.b.c", "", "nowhere_at_all.t"] {
        let sink = PostgresSink::new(&server, name, ["player"]);
        assert!(send(sink, [score(1, 1)]).is_err(), "{name}");
    }
    Ok(())
}

#[test]
fn a_number_that_a_column_cannot_hold_is_refused_and_numeric_holds_all() -> Result {
    let at = shared::postgres()?;
    let (db, table) = (Db::of(&at)?, unique("great"));
    let sink = || PostgresSink::<Score>::new(&server(&at), &table, ["player"]);
    send(sink(), [score(1, 1)])?;
    let error = send(sink(), [score(1, u64::MAX)])
        .err()
        .ok_or("it is taken")?;
    assert!(error.is::<squall::error::Fatal>(), "{error}");
    assert!(error.to_string().contains("out of range"), "{error}");
    db.ask(&format!("ALTER TABLE {table} ALTER points TYPE numeric"))?;
    send(sink(), [score(1, u64::MAX)])?;
    let rows = db.ask(&format!("SELECT * FROM {table}"))?;
    assert_eq!(rows, [format!("1 {}", u64::MAX)]);
    Ok(())
}

#[test]
fn thousands_of_rows_go_at_once() -> Result {
    let at = shared::postgres()?;
    let (db, table) = (Db::of(&at)?, unique("many"));
    let sink = || {
        let sink = PostgresSink::new(&server(&at), &table, ["player"]);
        sink.gone(|score: &Score| score.points == 0)
    };
    send(sink(), (0..5_500).map(|player| score(player, player + 1)))?;
    let sums = format!("SELECT count(*), sum(points) FROM {table}");
    assert_eq!(db.ask(&sums)?, [format!("5500 {}", 5_500 * 5_501 / 2)]);
    send(sink(), (0..5_500).map(|player| score(player, player % 2)))?;
    assert_eq!(db.ask(&sums)?, ["2750 2750"]);
    Ok(())
}

#[derive(Tuple, Clone, Debug, serde::Serialize)]
struct Any {
    key: Text,
    text: Text,
    number: f64,
    small: i64,
}

/// What is written is read back.
fn comes_back(cases: &[(String, String, i64, f64)]) -> Result {
    let at = shared::postgres()?;
    let (db, table) = (Db::of(&at)?, unique("any"));
    let sink = PostgresSink::new(&server(&at), &table, ["key"]);
    let of = |(number, (key, text, small, value)): (usize, &(String, String, i64, f64))| Any {
        key: format!("{number} {key}").into(),
        text: text.as_str().into(),
        number: *value,
        small: *small,
    };
    send(sink, cases.iter().enumerate().map(of))?;
    for any in cases.iter().enumerate().map(of) {
        let key = any.key.replace('\'', "''");
        let found = db.ask(&format!(
            "SELECT text, number, small FROM {table} WHERE key = '{key}'"
        ))?;
        let row = found.first().ok_or("it is missing")?;
        let rest = row.strip_prefix(any.text.as_str()).ok_or("another text")?;
        let expected = format!("{} {}", any.number, any.small);
        let numbers: Vec<f64> = rest.split_whitespace().flat_map(str::parse).collect();
        assert_eq!(numbers.first(), Some(&any.number), "{row}, not {expected}");
        assert!(
            rest.ends_with(&format!(" {}", any.small)),
            "{row}, not {expected}"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5))]
    #[test]
    fn any_text_and_number_comes_back_as_it_was(
        cases in prop::collection::vec(
            ("[^\0]{0,20}", "[^\0]{0,20}", any::<i64>(), proptest::num::f64::NORMAL),
            1..60,
        ),
    ) {
        let back = comes_back(&cases);
        prop_assert!(back.is_ok(), "{:?}", back);
    }
}
