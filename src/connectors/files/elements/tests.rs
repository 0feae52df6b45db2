//! Paths with `[]`: on examples, and against what `serde_json` makes of the same line.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::Value;

use super::super::{Delimiter, FieldSelector, FieldWatch, Format, Outcome, Record, RecordReader};
use super::*;

fn read(line: &str) -> Record {
    let input = Box::new(std::io::Cursor::new(line.to_owned()));
    let mut reader = RecordReader::new(input, "in", Format::NdJson, Delimiter::COMMA);
    let mut record = Record::new();
    assert_eq!(reader.next(&mut record).unwrap(), Outcome::Record);
    record
}

fn fields_of(line: &str, path: &str) -> Result<Vec<String>, String> {
    let record = read(line);
    let fields = record.fields(&FieldSelector::each(path));
    let fields = fields.map_err(|error| error.to_string())?;
    Ok(fields.map(Cow::into_owned).collect())
}

const LINE: &str = r#"{"tags":["a",1.0,null,"",true,"a\n"],"none":[],"null":null,
    "text":"x","o":{"p":[{"q":["b",null]},null,{},{"q":null},{"q":[]},{"q":["c"]}]},
    "a.b":[{"c":1}],"m":[[1,2],[],[3]],"k[]":"key","k":["not"],"n":[{"x":1},2]}"#;

#[test]
fn each_element_is_a_value() {
    let line = LINE.replace('\n', "");
    let table: [(&str, &[&str]); 11] = [
        ("tags[]", &["a", "1.0", "true", "a\n"]),
        ("none[]", &[]),
        ("null[]", &[]),
        ("missing[]", &[]),
        ("o.missing[].x[]", &[]),
        ("text.inside[]", &[]),
        ("o.p[].q[]", &["b", "c"]),
        // A key of the full name wins, with its brackets and without them.
        ("k[]", &["key"]),
        ("a.b[].c", &["1"]),
        ("m[][]", &["1", "2", "3"]),
        ("text", &["x"]),
    ];
    for (path, values) in table {
        assert_eq!(
            fields_of(&line, path),
            Ok(values.iter().map(ToString::to_string).collect()),
            "{path}"
        );
    }
}

#[test]
fn what_the_path_does_not_ask_for_is_told_by_its_path() {
    let line = LINE.replace('\n', "");
    let table = [
        ("text[]", "`text` is a string, but an array is needed"),
        ("o[]", "`o` is an object, but an array is needed"),
        ("tags[].x", "`tags[]` is a string, but an object is needed"),
        ("n[].x", "`n[]` is a number, but an object is needed"),
        ("o.p[]", "`o.p[]` is an object; a field is"),
        ("tags", "`tags` is an array: ask for `tags[]` to read"),
        ("o.p[].q", "`o.p[].q` is an array: ask for `o.p[].q[]` to"),
        ("o.p.q[]", "`o.p` is an array: ask for `o.p[].q[]` to"),
        ("o.p.q", "`o.p` is an array: ask for `o.p[].q` to"),
        ("m[]", "`m[]` is an array: ask for `m[][]` to"),
    ];
    for (path, part) in table {
        let error = fields_of(&line, path).unwrap_err();
        assert!(error.starts_with(part), "{path}: {error}");
    }
}

#[test]
fn one_value_is_no_path_with_brackets() {
    let record = read(r#"{"tags":["a"],"k[]":"key"}"#);
    for field in [
        FieldSelector::named("tags[]"),
        FieldSelector::each("tags[]"),
    ] {
        let error = record.field(&field).unwrap_err().to_string();
        assert!(
            error.starts_with("`tags[]` has a value for each"),
            "{error}"
        );
    }
    let fields = record.fields(&FieldSelector::named("tags[]"));
    assert!(matches!(fields, Err(FieldError::Several { .. })));
    for field in ["named", "each", "exact"] {
        let make = match field {
            "named" => FieldSelector::named,
            "each" => FieldSelector::each,
            _ => FieldSelector::exact,
        };
        assert_eq!(
            record.field(&make("k[]")),
            Ok(Some("key".into())),
            "{field}"
        );
    }
    assert_eq!(record.field(&FieldSelector::exact("x[]")), Ok(None));
    // Behind a key of the full name there is no path to advise.
    let error = fields_of(r#"{"k[]":["a"]}"#, "k[]").unwrap_err();
    assert!(
        error.starts_with("`k[]` is an array; a field is"),
        "{error}"
    );
}

#[test]
fn brackets_that_mean_nothing_are_told() {
    let table = [
        ("a[", "other half"),
        ("a]", "other half"),
        ("a[b", "other half"),
        ("a[[]]", "other half"),
        ("[]", "needs the name of an array"),
        ("[].a", "needs the name of an array"),
        ("a.[]", "needs the name of an array"),
        ("a[]b", "a dot and a key"),
        ("a[].", "a dot and a key"),
        ("a[]..b", "a dot and a key"),
        ("a[0]", "a single element"),
        ("a[*].b", "a single element"),
        ("a[-1]", "a single element"),
        ("a[][1:2]", "a single element"),
    ];
    for (name, part) in table {
        let error = fields_of(r#"{"a":["x"]}"#, name).unwrap_err();
        assert!(error.contains(part), "{name}: {error}");
        let line = serde_json::to_string(&serde_json::json!({ name: "key" })).unwrap();
        assert_eq!(fields_of(&line, name), Ok(vec!["key".to_owned()]), "{name}");
    }
    for (name, path) in [
        ("speed [km/h]", Path::Keys),
        ("user[name]", Path::Keys),
        ("speed [km/h][]", Path::Elements),
        ("a[].speed [km/h].b[][]", Path::Elements),
    ] {
        assert_eq!(Path::of(name), path, "{name}");
    }
    assert_eq!(
        fields_of(r#"{"km [h]":[{"m [s]":1}]}"#, "km [h][].m [s]"),
        Ok(vec!["1".to_owned()])
    );
}

#[test]
fn a_field_that_elements_have_is_not_missing() {
    let fields = ["a[].b", "e[]", "a[].x", "n[].b", "o.comits[].text", "a[]"];
    let mut watch = FieldWatch::over(fields.map(FieldSelector::each));
    let line = r#"{"a":[{},{"b":null}],"e":[],"n":null,"o":{"commits":[1,[],{"text":1}]}}"#;
    watch.look(&read(line));
    let missing = watch.missing();
    let missing: Vec<_> = missing
        .fields
        .iter()
        .map(|(field, near)| (&**field, near.as_deref()))
        .collect();
    assert_eq!(
        missing[..2],
        [("a[].x", Some("a[].b")), ("n[].b", Some("a[].b"))]
    );
    assert_eq!(missing[2], ("o.comits[].text", Some("o.commits[].text")));
    assert_eq!(missing.len(), 3);

    // Where one value is wanted, nothing is said of elements.
    let mut watch = FieldWatch::over([FieldSelector::named("x")]);
    watch.look(&read(line));
    assert_eq!(watch.missing().names, ["a", "e", "n", "o", "o.commits"]);
}

#[test]
fn only_the_elements_that_are_asked_for_must_be_of_the_encoding() {
    let line = b"{\"a\":[{\"b\":\"x\"},{\"c\":\"caf\xe9\"}]}\n";
    let mut reader = RecordReader::new(Box::new(&line[..]), "in", Format::NdJson, Delimiter::COMMA);
    let mut record = Record::new();
    assert_eq!(reader.next(&mut record).unwrap(), Outcome::Record);
    let fields = |name| {
        record
            .fields(&FieldSelector::each(name))
            .map(Iterator::count)
    };
    assert_eq!(fields("a[].b"), Ok(1));
    let error = fields("a[].c").unwrap_err();
    assert!(matches!(error, FieldError::NotOfEncoding { .. }), "{error}");
}

#[test]
fn deep_nesting_needs_no_stack() {
    let line = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(fields_of(&line, "a[]").is_err());
    let mut watch = FieldWatch::over([FieldSelector::each("b[]")]);
    watch.look(&read(&line));
    assert_eq!(watch.missing().names, ["a", "a[]"]);
}

/// What is at the path behind `at`, by its definition; an error is the path at which it is met.
fn defined(value: &Value, path: &[&str], at: usize) -> Result<Vec<String>, String> {
    let met = || Err(path[..at].concat());
    match (value, path.get(at)) {
        (Value::Null, _) => Ok(Vec::new()),
        (Value::Array(elements), Some(&"[]")) => {
            let values = elements.iter().map(|value| defined(value, path, at + 1));
            Ok(values.collect::<Result<Vec<_>, _>>()?.concat())
        }
        (Value::Object(members), Some(key)) if *key != "[]" => {
            let value = members.get(key.trim_start_matches('.'));
            value.map_or(Ok(Vec::new()), |value| defined(value, path, at + 1))
        }
        // Before the first `[]` nothing is inside of what has nothing inside.
        (_, Some(key)) if *key != "[]" && !value.is_array() && !path[..at].contains(&"[]") => {
            Ok(Vec::new())
        }
        (Value::Array(_) | Value::Object(_), _) | (_, Some(_)) => met(),
        (Value::String(text), None) if text.is_empty() => Ok(Vec::new()),
        (Value::String(text), None) => Ok(vec![text.clone()]),
        (other, None) => Ok(vec![other.to_string()]),
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        2 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        4 => any::<i64>().prop_map(Value::from),
        4 => any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members(inner),
        ]
    })
}

fn members(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let members = proptest::collection::btree_map("[ab]", values, 0..3);
    members.prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// A key and at most five further steps, with a value that they fit as far as luck has it.
fn cases() -> impl Strategy<Value = (Vec<&'static str>, Value)> {
    let step = proptest::sample::select(vec!["[]", "[]", ".a", ".b"]);
    let steps = proptest::collection::vec(step, 0..6);
    let first = proptest::sample::select(vec!["a", "b"]);
    let path = (first, steps).prop_map(|(first, steps)| {
        let mut path = vec![first];
        path.extend(steps);
        path
    });
    path.prop_flat_map(|path| {
        let fitting = path
            .iter()
            .skip(1)
            .rev()
            .fold(values().boxed(), |inner, step| {
                let step = step.trim_start_matches('.');
                let around = if step == "[]" {
                    proptest::collection::vec(inner, 0..3)
                        .prop_map(Value::from)
                        .boxed()
                } else {
                    inner
                        .prop_map(move |value| serde_json::json!({ step: value }))
                        .boxed()
                };
                prop_oneof![9 => around, 1 => values()].boxed()
            });
        let first = path[0];
        let line = fitting.prop_map(move |value| serde_json::json!({ first: value, "c": [1] }));
        (Just(path), line)
    })
}

proptest! {
    #[test]
    fn the_values_are_those_that_serde_json_reads((path, line) in cases()) {
        let name = path.concat();
        let found = fields_of(&line.to_string(), &name);
        match defined(&line[path[0]], &path, 1) {
            Ok(values) => prop_assert_eq!(found, Ok(values)),
            Err(met) => {
                let error = found.unwrap_err();
                prop_assert!(error.starts_with(&format!("`{met}` is ")), "{met}: {error}");
            }
        }
    }
}
