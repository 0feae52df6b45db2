//! Records become events.

use std::sync::Arc;

use squall::aggregate::Sketch;
use squall::connectors::files::{FieldError, FieldSelector, Record, Scalar};
use squall::{Decimal, Text, Timestamp, decimal::DecimalError, text::Shown};

use crate::event::{Event, Input};
use crate::moment::TimestampError;
use crate::schema::Kind;
use crate::spec::{Dimension, DimensionKind, Dimensions, Spec, is_reserved};

/// Reads events out of records, as a spec says. Everything about an event is checked here, so
/// that nothing of it is kept where anything is wrong.
///
/// ```
/// use squall::connectors::files::{Format, Record, RecordReader};
/// use squall_cube::{EventDecoder, Input, spec};
///
/// let text = r#"{
///   "dimensionsSpec": {"dimensions": ["web"]},
///   "metricsSpec": [{"type": "doubleSum", "name": "price", "fieldName": "price"}],
///   "granularitySpec": {"queryGranularity": "hour"}
/// }"#;
/// let (spec, _) = spec::parse(text, "rollup.json")?;
/// let mut decoder = EventDecoder::new(spec);
///
/// let json = br#"{"timestamp": "2015-03-17T20:40:00Z", "web": "csfd.cz", "price": 0.17}"#;
/// let mut reader = RecordReader::new(
///     Box::new(&json[..]), "events.ndjson", Format::NdJson, Default::default(),
/// );
/// let mut record = Record::new();
/// reader.next(&mut record)?;
/// let event = decoder.decode(&record)?;
/// assert_eq!(event.time.to_string(), "2015-03-17T20:40:00Z");
/// assert_eq!(event.dimensions[0].as_deref(), Some("csfd.cz"));
/// assert_eq!(event.inputs[0], Input::Double(0.17));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventDecoder {
    spec: Arc<Spec>,
    time: FieldSelector,
    /// The fields that metrics take in, in the order of the schema.
    fields: Vec<Option<FieldSelector>>,
    /// The dimensions so far, all of them where they are listed.
    columns: Vec<Column>,
    /// Their names, as events share them.
    names: Arc<[Text]>,
    keeps_raw: bool,
}

#[derive(Clone, Debug)]
struct Column {
    field: FieldSelector,
    kind: DimensionKind,
}

/// Why a record is no event.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// It has no time.
    #[error("the event has no time: `{}` is null or absent", Shown(column))]
    NoTime {
        /// The field of the time.
        column: String,
    },
    /// Its time cannot be read.
    #[error(transparent)]
    Time(#[from] TimestampError),
    /// It is from another time than the spec takes in.
    #[error("the event's time {time} is in none of the intervals of the spec")]
    Outside {
        /// The time.
        time: Timestamp,
    },
    /// A metric cannot take the field in.
    #[error(
        "`{}` in `{}` is {what}; the metric `{}` takes in {wanted}",
        Shown(value),
        Shown(field),
        Shown(metric)
    )]
    Metric {
        /// The metric.
        metric: String,
        /// The field.
        field: String,
        /// Its value.
        value: String,
        /// What it is.
        what: &'static str,
        /// What it ought to be.
        wanted: &'static str,
    },
    /// A dimension cannot have the value.
    #[error("`{}` in the dimension `{}` is {what}", Shown(value), Shown(dimension))]
    Dimension {
        /// The dimension.
        dimension: String,
        /// Its value.
        value: String,
        /// What it is.
        what: &'static str,
    },
    /// A field that would be discovered as a dimension has several values.
    #[error(
        "`{}` is {kind}, which cannot be a dimension: name it in `dimensionExclusions` to leave it \
         out, or list the `dimensions`",
        Shown(field)
    )]
    Several {
        /// The field.
        field: String,
        /// "an array" or "an object".
        kind: &'static str,
    },
    /// A field has a name that cubes or their answers have for themselves.
    #[error("the field `{}` cannot be a dimension under this name: exclude it", Shown(.0))]
    Reserved(String),
    /// There are too many names.
    #[error(
        "`{}` would be one dimension too many (at most {most}): list the dimensions, or exclude \
         some",
        Shown(.0),
        most = EventDecoder::MAX_DISCOVERED
    )]
    TooManyDimensions(String),
    /// A field cannot be read.
    #[error(transparent)]
    Field(#[from] FieldError),
}

/// Below there, up to its sign, whole numbers have 64 bits.
const MAX_LONG: f64 = 9_223_372_036_854_775_808.0;

/// What of a number's text is wrong.
const NO_NUMBER: &str = "not a number";

impl EventDecoder {
    /// How many dimensions are discovered at most: a bound for events with ever new names.
    pub const MAX_DISCOVERED: usize = 1_000;

    /// As the spec says.
    #[must_use]
    pub fn new(spec: Spec) -> Self {
        let metrics = spec.schema.metrics.iter();
        let listed = match &spec.dimensions {
            Dimensions::Listed(listed) => listed.as_slice(),
            Dimensions::Discovered { .. } => &[],
        };
        Self {
            time: FieldSelector::named(&spec.time.column),
            fields: metrics
                .map(|metric| metric.field.as_deref().map(FieldSelector::named))
                .collect(),
            columns: listed.iter().map(Column::of).collect(),
            names: listed
                .iter()
                .map(|dimension| dimension.name.as_str().into())
                .collect(),
            spec: Arc::new(spec),
            keeps_raw: false,
        }
    }

    /// Events [keep](Event::raw) the record that they were made of, to be archived.
    #[must_use]
    pub fn keep_raw(mut self) -> Self {
        self.keeps_raw = true;
        self
    }

    /// The event of a record. A column that a CSV file does not have is null.
    ///
    /// # Errors
    /// Why there is none: no time, what is not a number where one is wanted, what is made of
    /// several values.
    pub fn decode(&mut self, record: &Record) -> Result<Event, DecodeError> {
        let time = self.time(record)?;
        let inputs = self.inputs(record)?;
        if let Dimensions::Discovered { .. } = self.spec.dimensions {
            self.discover(record)?;
        }
        let dimensions = self.columns.iter().map(|column| {
            let value = self.dimension(record, &column.field)?;
            value.map(|value| column.text(value)).transpose()
        });
        Ok(Event {
            time,
            dimensions: dimensions.collect::<Result<_, DecodeError>>()?,
            names: Arc::clone(&self.names),
            inputs,
            raw: self.raw(record)?,
        })
    }

    fn raw(&self, record: &Record) -> Result<Option<Text>, DecodeError> {
        if !self.keeps_raw {
            return Ok(None);
        }
        let object = record.object()?;
        Ok(object.map(|object| object.as_ref().into()))
    }

    fn time(&self, record: &Record) -> Result<Timestamp, DecodeError> {
        let time = &self.spec.time;
        let moment = match (value(record, &self.time)?, time.missing) {
            (Some(value), _) => {
                let text = value.into_text();
                time.format.parse(&text)?
            }
            (None, Some(missing)) => missing,
            (None, None) => {
                return Err(DecodeError::NoTime {
                    column: time.column.clone(),
                });
            }
        };
        let intervals = &self.spec.intervals;
        let time = Timestamp::from_millis(moment);
        if intervals.is_empty() || intervals.iter().any(|interval| interval.contains(&moment)) {
            Ok(time)
        } else {
            Err(DecodeError::Outside { time })
        }
    }

    fn inputs(&self, record: &Record) -> Result<Box<[Input]>, DecodeError> {
        let metrics = self.spec.schema.metrics.iter().zip(&self.fields);
        let inputs = metrics.map(|(metric, field)| {
            let Some(field) = field else {
                return Ok(Input::None);
            };
            let Some(value) = value(record, field)? else {
                return Ok(Input::None);
            };
            input(metric.kind, &value).map_err(|(what, wanted)| DecodeError::Metric {
                metric: metric.name.clone(),
                field: metric.field.clone().unwrap_or_default(),
                value: value.into_text().into_owned(),
                what,
                wanted,
            })
        });
        inputs.collect()
    }

    /// A dimension. What is made of several values is none, and is not lost silently.
    fn dimension<'r>(
        &self,
        record: &'r Record,
        field: &FieldSelector,
    ) -> Result<Option<Scalar<'r>>, DecodeError> {
        let discovered = matches!(self.spec.dimensions, Dimensions::Discovered { .. });
        match value(record, field) {
            Err(DecodeError::Field(FieldError::NotScalar { field, kind })) if discovered => {
                Err(DecodeError::Several { field, kind })
            }
            value => value,
        }
    }

    /// Takes note of the names that the record has and none had before.
    fn discover(&mut self, record: &Record) -> Result<(), DecodeError> {
        let mut new: Vec<Dimension> = Vec::new();
        for (place, name) in record.names().enumerate() {
            // Records of one kind have their fields at the same places.
            let known = |known: &Text| *known == name;
            if self.names.get(place).is_some_and(known)
                || self.names.iter().any(known)
                || new.iter().any(|new| new.name == name)
                || !self.is_dimension(name)
            {
                continue;
            }
            let field = FieldSelector::exact(name);
            self.dimension(record, &field)?;
            if is_reserved(name) || self.spec.schema.has_error(name) {
                return Err(DecodeError::Reserved(name.to_owned()));
            }
            if self.names.len() + new.len() >= Self::MAX_DISCOVERED {
                return Err(DecodeError::TooManyDimensions(name.to_owned()));
            }
            new.push(Dimension {
                name: name.to_owned(),
                kind: DimensionKind::Text,
            });
        }
        if !new.is_empty() {
            let names = new.iter().map(|new| new.name.as_str().into());
            self.names = self.names.iter().cloned().chain(names).collect();
            self.columns.extend(new.iter().map(|new| Column {
                field: FieldSelector::exact(&new.name),
                kind: new.kind,
            }));
        }
        Ok(())
    }

    /// Whether a field is kept to group by.
    fn is_dimension(&self, name: &str) -> bool {
        let Dimensions::Discovered { excluded } = &self.spec.dimensions else {
            return false;
        };
        let mut metrics = self.spec.schema.metrics.iter();
        name != self.spec.time.column
            && !excluded.iter().any(|excluded| excluded == name)
            && !metrics.any(|metric| metric.name == name || metric.field.as_deref() == Some(name))
    }
}

impl Column {
    fn of(dimension: &Dimension) -> Self {
        Self {
            field: FieldSelector::named(&dimension.name),
            kind: dimension.kind,
        }
    }

    fn text(&self, value: Scalar<'_>) -> Result<Text, DecodeError> {
        let text = match self.kind {
            DimensionKind::Text => return Ok((&*value.into_text()).into()),
            DimensionKind::Long => long(&value).map(|number| number.map(|long| long.to_string())),
            DimensionKind::Double => {
                double(&value).map(|number| number.map(|double| double.to_string()))
            }
        };
        match text {
            Ok(text) => Ok(text.unwrap_or_default().into()),
            Err(what) => Err(DecodeError::Dimension {
                dimension: self.field.name().unwrap_or_default().to_owned(),
                value: value.into_text().into_owned(),
                what,
            }),
        }
    }
}

/// A field; nothing where a CSV file does not have the column.
fn value<'r>(record: &'r Record, field: &FieldSelector) -> Result<Option<Scalar<'r>>, DecodeError> {
    match record.scalar(field) {
        Err(FieldError::MissingColumn(_)) => Ok(None),
        value => Ok(value?),
    }
}

/// What a metric takes in; else what the value is, and what it ought to be.
fn input(kind: Kind, value: &Scalar<'_>) -> Result<Input, (&'static str, &'static str)> {
    match kind {
        Kind::Count => Ok(Input::None),
        Kind::LongSum | Kind::LongMin | Kind::LongMax => match long(value) {
            Ok(long) => Ok(long.map_or(Input::None, Input::Long)),
            Err(what) => Err((what, "whole numbers of 64 bits")),
        },
        Kind::DoubleSum | Kind::DoubleMin | Kind::DoubleMax => match double(value) {
            Ok(double) => Ok(double.map_or(Input::None, Input::Double)),
            Err(what) => Err((what, "numbers")),
        },
        Kind::HyperUnique => {
            let hash = match value {
                Scalar::Text(text) => Sketch::hash(text.as_bytes()),
                other => Sketch::hash(other.clone().into_text().as_bytes()),
            };
            Ok(Input::Hash(hash))
        }
    }
}

/// A whole number, in whatever way it is written: `3`, `3.0`, `0.3e1`; none for the empty string.
fn long(value: &Scalar<'_>) -> Result<Option<i64>, &'static str> {
    let Some(text) = number_text(value)? else {
        return Ok(None);
    };
    if let Ok(long) = text.parse() {
        return Ok(Some(long));
    }
    match text.parse().and_then(Decimal::whole) {
        Ok(long) => Ok(Some(long)),
        Err(DecimalError::NotWhole(_)) => Err("not whole"),
        Err(DecimalError::TooLong(_)) => {
            // What has more digits than a decimal is not whole or no number of 64 bits.
            let number: f64 = text.parse().map_err(|_| NO_NUMBER)?;
            let is_long = number.abs() < MAX_LONG;
            Err(if is_long { "not whole" } else { "out of range" })
        }
        Err(_) => Err(NO_NUMBER),
    }
}

/// A number that is not infinite; none for the empty string.
fn double(value: &Scalar<'_>) -> Result<Option<f64>, &'static str> {
    let Some(text) = number_text(value)? else {
        return Ok(None);
    };
    let number: f64 = text.parse().map_err(|_| NO_NUMBER)?;
    if number.is_nan() {
        return Err(NO_NUMBER);
    }
    if number.is_infinite() {
        return Err("out of range");
    }
    // There is one zero, so that rows with it are equal.
    Ok(Some(number + 0.0))
}

/// The text of a number; numbers in quotes count as numbers.
fn number_text<'s>(value: &'s Scalar<'_>) -> Result<Option<&'s str>, &'static str> {
    match value {
        Scalar::Number(text) => Ok(Some(text)),
        Scalar::Text(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Scalar::Bool(_) => Err(NO_NUMBER),
    }
}
