//! The keys that occur most, or whose amounts sum up to most, over everything so far.
//!
//! `records` -> fields(key) -> `totals` -> global -> `top`: what `top-users` is for purchases, for
//! any columns. The totals of all keys are a table, the ranking is a value beside it.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use squall::bolts::TopMode;
use squall::connectors::files::{FieldSelector, Record};
use squall::{Out, Result, Text, Topology, Tuple, secs};

use crate::input::{FORMAT, INPUT, Input, NamedField, PlainText};
use crate::numbers::{at_least_one, rate, tasks};
use crate::outputs::Outputs;
#[cfg(feature = "kafka")]
use crate::position::Position;
use crate::purchases::{AmountError, decimal};
use crate::records::Records;
use crate::totals::{self, Ranked, WithoutKey};
use crate::wrong::WrongUse;

/// What to read, count or sum, and show.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(mut_arg("input", |input| input.help(INPUT)))]
#[command(mut_arg("format", |format| format.value_name("csv|ndjson").help(FORMAT)))]
pub struct Options {
    /// What to read.
    #[command(flatten)]
    pub input: Input,
    /// The CSV column, or the dotted path of the JSON value, whose values are ranked; [] after an
    /// array stands for each element, as in tags[]. If given more than once, the columns together
    /// are the key. A record without a key is left out, and the log says how many there were
    #[arg(long, value_name = "NAME", requires = "input")]
    pub key: Vec<String>,
    /// The column or path with the whole number to sum by key; negative ones are subtracted
    /// [default: count records]
    #[arg(long, value_name = "NAME", requires = "input")]
    pub amount: Option<String>,
    /// Read the amount as a decimal number and sum it in cents; each is rounded to cents, a half
    /// away from zero
    #[arg(long, requires = "amount")]
    pub cents: bool,
    /// The number of places in the ranking
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub top: usize,
    /// The time between two rankings; the last one comes at the end of the input
    #[arg(long, value_name = "DUR", default_value = "2s", value_parser = totals::every)]
    pub every: Duration,
    /// The limit of records per second over all spouts; 0 for none [default: no limit]
    #[arg(long, value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    pub rate: Option<f64>,
    /// Where to begin to read a topic.
    #[cfg(feature = "kafka")]
    #[command(flatten)]
    pub position: Position,
    /// The components and how many tasks they have.
    #[command(flatten)]
    pub shape: Shape,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            input: Input::default(),
            key: Vec::new(),
            amount: None,
            cents: false,
            top: 10,
            every: secs(2),
            rate: None,
            #[cfg(feature = "kafka")]
            position: Position::default(),
            shape: Shape::default(),
        }
    }
}

/// The options that change the plan.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number of tasks that read records
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = tasks)]
    pub spouts: usize,
    /// The number of tasks that keep the totals of keys
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = tasks)]
    pub counters: usize,
    /// Where the rankings go.
    #[command(flatten)]
    pub outputs: Outputs,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            spouts: 4,
            counters: 4,
            outputs: Outputs::default(),
        }
    }
}

/// A key of a record, and what is added to its total.
#[derive(Tuple, Clone, Debug, PartialEq, Eq)]
struct Keyed {
    /// One value as it is written; several as an array of JSON.
    key: Text,
    /// How much.
    amount: i64,
}

/// What is read of each record, as a data directory keeps it.
#[derive(Serialize)]
struct KeysMeaning<'k> {
    key: &'k [String],
    amount: Option<&'k str>,
    cents: bool,
}

impl Options {
    /// What is read, looked into: files exist, and have the fields.
    ///
    /// # Errors
    /// The first thing that would make a run fail or do nothing.
    pub fn records(&self) -> Result<Records, WrongUse> {
        #[cfg(feature = "kafka")]
        if let Some(topic) = {
            let connections = self.shape.outputs.connections()?;
            self.input.topic(&self.position, &connections)?
        } {
            if self.key.is_empty() {
                return Err(WrongUse::NothingNamed { option: "--key" });
            }
            return Ok(Records::Topic(topic));
        }
        let mut fields = vec![NamedField::of("--key", self.key.first())];
        fields.extend(self.amount.iter().map(|name| NamedField {
            option: "--amount",
            name: Some(name),
        }));
        let files = self.input.files(&fields, PlainText::Refused)?;
        let files = files.ok_or(WrongUse::NoRecords)?;
        if self.key.is_empty() {
            return Err(WrongUse::NothingNamed { option: "--key" });
        }
        let amount = self.amount.as_deref().map(FieldSelector::named);
        let files = files.fields(self.keys().into_iter().chain(amount));
        Ok(Records::Files(files.check()?))
    }

    /// One key may have several values in a record, of which each counts.
    fn keys(&self) -> Vec<FieldSelector> {
        match &self.key[..] {
            [key] => vec![FieldSelector::each(key)],
            keys => keys.iter().map(|key| FieldSelector::named(key)).collect(),
        }
    }

    fn reading(&self) -> ReadKeys {
        ReadKeys {
            keys: self.keys(),
            amount: self.amount.as_deref().map(FieldSelector::named),
            cents: self.cents,
            without: Arc::default(),
        }
    }
}

/// Makes keys with amounts of records.
#[derive(Clone)]
struct ReadKeys {
    keys: Vec<FieldSelector>,
    /// None where records are counted.
    amount: Option<FieldSelector>,
    cents: bool,
    without: Arc<WithoutKey>,
}

impl ReadKeys {
    fn read(&self, record: &Record, mut keyed: impl FnMut(Keyed)) -> Result {
        if let [key] = &self.keys[..] {
            let mut values = record.fields(key)?.peekable();
            if values.peek().is_none() {
                self.without.count(record, key);
                return Ok(());
            }
            self.without.has();
            let amount = self.amount(record)?;
            for value in values {
                let key = (*value).into();
                keyed(Keyed { key, amount });
            }
            return Ok(());
        }
        let mut values = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let Some(value) = record.field(key)? else {
                self.without.count(record, key);
                return Ok(());
            };
            values.push(value);
        }
        self.without.has();
        let amount = self.amount(record)?;
        let key = serde_json::to_string(&values)?.into();
        keyed(Keyed { key, amount });
        Ok(())
    }

    fn amount(&self, record: &Record) -> Result<i64> {
        let Some(field) = &self.amount else {
            return Ok(1);
        };
        let number = decimal(record, field, "key")?;
        let amount = if self.cents {
            number.cents()
        } else {
            number.whole()
        };
        let amount = amount.map_err(|cause| AmountError::Number {
            field: field.to_string(),
            cause,
        });
        Ok(amount?)
    }
}

/// The topology on records.
///
/// # Errors
/// What is wrong with the options.
pub fn reading(options: &Options, records: &Records) -> Result<Topology, WrongUse> {
    let Shape {
        spouts,
        counters,
        ref outputs,
    } = options.shape;
    let outputs = outputs.prepare(records.files())?;
    let topology = Topology::named("top-keys");
    let (records, keys) = (records.clone(), options.reading());
    let records = topology
        .spout("records", move || {
            let keys = keys.clone();
            let emits = move |record: &Record, out: &mut Out<Keyed>| {
                keys.read(record, |keyed| out.emit(keyed))
            };
            records.decode(emits)
        })
        .meaning(&KeysMeaning {
            key: &options.key,
            amount: options.amount.as_deref(),
            cents: options.cents,
        })
        .rate(options.rate.unwrap_or_default())
        .parallelism(spouts);
    let ranked = Ranked {
        top: options.top,
        every: options.every,
        mode: TopMode::Exact,
        counters,
        outputs,
    };
    ranked.wire(&topology, &records, Keyed::KEY, |keyed| keyed.amount);
    Ok(topology)
}

#[cfg(test)]
mod tests {
    use squall::connectors::files::{Delimiter, Format, Outcome, RecordReader};

    use super::*;

    /// What is made of the records of NDJSON.
    fn read(options: &Options, json: &'static str) -> Vec<Read> {
        let input = Box::new(json.as_bytes());
        let mut reader = RecordReader::new(input, "in", Format::NdJson, Delimiter::COMMA);
        let (mut record, mut read) = (Record::new(), Vec::new());
        while reader.next(&mut record).unwrap() == Outcome::Record {
            let mut keys = Vec::new();
            let keyed = |keyed: Keyed| keys.push((keyed.key.to_string(), keyed.amount));
            let result = options.reading().read(&record, keyed);
            read.push(result.map(|()| keys).map_err(|error| error.to_string()));
        }
        read
    }

    fn of(keys: &[&str], amount: Option<&str>, cents: bool) -> Options {
        Options {
            key: keys.iter().map(ToString::to_string).collect(),
            amount: amount.map(str::to_owned),
            cents,
            ..Options::default()
        }
    }

    type Read = Result<Vec<(String, i64)>, String>;

    fn keys(keys: &[(&str, i64)]) -> Vec<(String, i64)> {
        let keys = keys.iter();
        keys.map(|&(key, amount)| (key.to_owned(), amount))
            .collect()
    }

    const LINES: &str = r#"{"a":"x","b":1.0,"n":"2.505","tags":["p","q"]}
{"a":"1.0","n":3,"tags":[]}
{"a":"","b":"y","n":-1}
{"a":"z","b":"]\"","tags":["r"]}
"#;

    #[test]
    fn records_are_counted_by_the_key_as_it_is_written() {
        let expected = [
            Ok(keys(&[("x", 1)])),
            Ok(keys(&[("1.0", 1)])),
            Ok(keys(&[])),
            Ok(keys(&[("z", 1)])),
        ];
        assert_eq!(read(&of(&["a"], None, false), LINES), expected);
        let expected = [
            Ok(keys(&[("p", 1), ("q", 1)])),
            Ok(keys(&[])),
            Ok(keys(&[])),
            Ok(keys(&[("r", 1)])),
        ];
        assert_eq!(read(&of(&["tags[]"], None, false), LINES), expected);
    }

    #[test]
    fn a_key_of_several_fields_is_an_array_of_them() {
        let expected = [
            Ok(keys(&[(r#"["x","1.0"]"#, 1)])),
            Ok(keys(&[])),
            Ok(keys(&[])),
            Ok(keys(&[(r#"["z","]\""]"#, 1)])),
        ];
        assert_eq!(read(&of(&["a", "b"], None, false), LINES), expected);
    }

    #[test]
    fn amounts_are_whole_or_rounded_to_cents() {
        let empty = Err("`n` is empty, but there is a key".to_owned());
        let whole = read(&of(&["a"], Some("n"), false), LINES);
        assert_eq!(whole[0], Err("`n`: 2.505 is not a whole number".to_owned()));
        assert_eq!(whole[1..3], [Ok(keys(&[("1.0", 3)])), Ok(keys(&[]))]);
        assert_eq!(whole[3], empty);
        let cents = read(&of(&["tags[]"], Some("n"), true), LINES);
        assert_eq!(cents[0], Ok(keys(&[("p", 251), ("q", 251)])));
        assert_eq!(cents[3], empty);
    }
}
