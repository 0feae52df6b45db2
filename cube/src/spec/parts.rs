//! Time, dimensions, metrics and granularities of a spec.

use std::collections::HashSet;
use std::ops::Range;

use super::interval::interval;
use super::json::Node;
use super::object::{Notes, Object, scalar};
use super::{Dimension, DimensionKind, Dimensions, Spec, TimestampSpec};
use crate::granularity::{Granularity, Part};
use crate::moment::{self, TimestampFormat};
use crate::nearest;
use crate::schema::{Kind, Metric, Schema, error_name};
use squall::text::Shown;

const AGGREGATORS: [(&str, Kind); 11] = [
    ("count", Kind::Count),
    ("longSum", Kind::LongSum),
    ("longMin", Kind::LongMin),
    ("longMax", Kind::LongMax),
    ("doubleSum", Kind::DoubleSum),
    ("doubleMin", Kind::DoubleMin),
    ("doubleMax", Kind::DoubleMax),
    // Kept as doubles, which hold every float.
    ("floatSum", Kind::DoubleSum),
    ("floatMin", Kind::DoubleMin),
    ("floatMax", Kind::DoubleMax),
    ("hyperUnique", Kind::HyperUnique),
];

const DIMENSIONS: [(&str, DimensionKind); 5] = [
    ("string", DimensionKind::Text),
    ("auto", DimensionKind::Text),
    ("long", DimensionKind::Long),
    ("double", DimensionKind::Double),
    ("float", DimensionKind::Double),
];

/// The whole, from its outermost object; none where something that everything else needs is wrong.
pub(super) fn spec(mut root: Object<'_>, notes: &mut Notes) -> Option<Spec> {
    for name in ["type", "context"] {
        root.take(name);
    }
    while let Some(outer) = ["spec", "dataSchema"]
        .into_iter()
        .find(|name| root.has(name))
    {
        left_aside(&mut root, notes);
        let inner = root.object(outer, notes);
        root.end(notes);
        root = inner?;
    }
    left_aside(&mut root, notes);
    data_schema(root, notes)
}

/// What says where events come from and how to write them.
fn left_aside(object: &mut Object<'_>, notes: &mut Notes) {
    for name in ["ioConfig", "tuningConfig"] {
        if let Some(node) = object.take(name) {
            let format = node.member("inputFormat");
            let format = format.filter(|format| format.kind() == "an object");
            if let Some(format) = format
                && let Some(mut format) = Object::of(format, "`inputFormat`", notes)
            {
                as_it_stands(&mut format, notes);
            }
            let what = format!("`{name}` is ignored: the options of the run say what to read");
            notes.warning(node.line(), what);
        }
    }
}

/// What changes events while they are read must not be there.
fn as_it_stands(format: &mut Object<'_>, notes: &mut Notes) {
    let harmless = ["type", "useFieldDiscovery"];
    refuse(format, "flattenSpec", &harmless, notes);
    let changing = [
        ("listDelimiter", "a value is one text, not a list"),
        ("skipHeaderRows", "rows before the header are not skipped"),
        ("pattern", "records are CSV or JSON"),
        ("function", "records are CSV or JSON"),
    ];
    for (name, why) in changing {
        if let Some(node) = format.take(name)
            && holds(node)
            && !["0", "\"\""].contains(&node.raw())
        {
            let what = format!("`{name}` is not supported: {why}; change the input first");
            notes.mistake(node.line(), what);
        }
    }
    if let Some(node) = format.take("delimiter")
        && holds(node)
    {
        let what = "`delimiter` is ignored: it is a tab for .tsv, else a comma, or the \
                    --delimiter of the run";
        notes.warning(node.line(), what);
    }
    if let Some(node) = format.take("hasHeaderRow")
        && node.value() == Some(false)
    {
        let what = "`hasHeaderRow` cannot be false: the first row of a CSV file names its columns";
        notes.mistake(node.line(), what);
    }
    let of_file = format.boolean("findColumnsFromHeader", notes) == Some(true);
    if let Some(columns) = format.take("columns")
        && !of_file
        && holds(columns)
    {
        let what = "`columns` is not supported: the first row of a CSV file names its columns, so \
                    write them there, and leave `columns` out";
        notes.mistake(columns.line(), what);
    }
}

fn data_schema(mut object: Object<'_>, notes: &mut Notes) -> Option<Spec> {
    let data_source = object.text("dataSource", notes);
    let mut parser = object.object("parser", notes);
    let mut parse_spec = parser
        .as_mut()
        .and_then(|parser| parser.object("parseSpec", notes));
    if let Some(parse_spec) = &mut parse_spec {
        parse_spec.take("format");
        as_it_stands(parse_spec, notes);
    }
    let mut part = |name: &'static str, notes: &mut Notes| {
        let inner = parse_spec
            .as_mut()
            .and_then(|spec| spec.object(name, notes));
        let outer = object.object(name, notes);
        if let (Some(inner), Some(_)) = (&inner, &outer) {
            notes.mistake(
                inner.line,
                format!("`{name}` is given both here and beside `parser`: give one"),
            );
        }
        outer.or(inner)
    };
    let time = part("timestampSpec", notes);
    let dimensions = part("dimensionsSpec", notes);
    if let Some(parse_spec) = parse_spec {
        parse_spec.end(notes);
    }
    if let Some(mut parser) = parser {
        parser.take("type");
        parser.end(notes);
    }
    refuse(&mut object, "transformSpec", &["type"], notes);

    let time = timestamp_spec(time, notes);
    let (dimensions, dimension_lines) = dimensions_spec(dimensions, notes);
    let metrics = object.list("metricsSpec", notes);
    let aggregators = object.list("aggregators", notes);
    if let (Some(_), Some(aggregators)) = (&metrics, &aggregators) {
        let line = aggregators.first().map_or(object.line, |node| node.line());
        let what = "both `aggregators` and `metricsSpec` are given: give one of them";
        notes.mistake(line, what);
    }
    let metrics = metrics.or(aggregators);
    let metrics = metrics_spec(metrics.unwrap_or_default(), &dimension_lines, notes);
    if !object.has("granularitySpec") {
        notes.mistake(object.line, "the spec needs `granularitySpec`");
    }
    let granularity = object.object("granularitySpec", notes);
    let granularities = granularity.map(|object| granularity_spec(object, notes));
    object.end(notes);
    let (segment, query, rollup, intervals) = granularities?;
    Some(Spec {
        data_source,
        time,
        dimensions,
        intervals,
        schema: Schema {
            metrics,
            query: query?,
            segment: segment?,
            rollup,
        },
    })
}

/// What would change events before they are read must not be there, or hold nothing.
fn refuse(object: &mut Object<'_>, name: &'static str, harmless: &[&str], notes: &mut Notes) {
    let Some(node) = object.take(name) else {
        return;
    };
    let members = node.members().unwrap_or_default().into_iter();
    let mut members = members.filter(|member| !harmless.contains(&member.name.as_str()));
    if let Some(member) = members.find(|member| holds(member.value)) {
        let what = format!(
            "`{name}` is not supported: `{}` would change the events, so change the input first",
            Shown(&member.name)
        );
        notes.mistake(member.line, what);
    }
}

fn holds(value: Node<'_>) -> bool {
    value.kind() != "null" && value.elements().is_none_or(|list| !list.is_empty())
}

fn timestamp_spec(object: Option<Object<'_>>, notes: &mut Notes) -> TimestampSpec {
    let mut time = TimestampSpec {
        column: "timestamp".to_owned(),
        format: TimestampFormat::auto(),
        missing: None,
    };
    let Some(mut object) = object else {
        return time;
    };
    if let Some(column) = object.text("column", notes) {
        time.column = column;
    }
    if let Some((format, line)) = object.located("format", notes) {
        match format.parse::<TimestampFormat>() {
            Ok(format) => time.format = format,
            Err(why) => notes.mistake(line, why.reason),
        }
    }
    if let Some((missing, line)) = object.located("missingValue", notes) {
        match moment::iso(&missing) {
            Ok(moment) => time.missing = Some(moment),
            Err(why) => notes.mistake(
                line,
                format!("`missingValue` {} is not a time: {why}", Shown(missing)),
            ),
        }
    }
    object.end(notes);
    time
}

/// The dimensions, and the names of those that are listed.
fn dimensions_spec(object: Option<Object<'_>>, notes: &mut Notes) -> (Dimensions, HashSet<String>) {
    let mut listed = Vec::new();
    let mut names = HashSet::new();
    let mut excluded = Vec::new();
    if let Some(mut object) = object {
        for node in object.list("dimensions", notes).unwrap_or_default() {
            let Some(dimension) = dimension(node, notes) else {
                continue;
            };
            if !names.insert(dimension.name.clone()) {
                let what = format!("the dimension `{}` is given twice", Shown(&dimension.name));
                notes.mistake(node.line(), what);
            }
            check_name(&dimension.name, node.line(), notes);
            listed.push(dimension);
        }
        for node in object
            .list("dimensionExclusions", notes)
            .unwrap_or_default()
        {
            excluded.extend(scalar(node, "names", "an exclusion", notes));
        }
        for node in object.list("spatialDimensions", notes).unwrap_or_default() {
            notes.mistake(node.line(), "spatial dimensions are not supported");
        }
        if !listed.is_empty() && !excluded.is_empty() {
            let what = "`dimensionExclusions` is ignored, since `dimensions` are listed";
            notes.warning(object.line, what);
        }
        for name in ["useSchemaDiscovery", "includeAllDimensions"] {
            if object.boolean(name, notes) == Some(true) && !listed.is_empty() {
                let what = format!(
                    "`{name}` with `dimensions` is not supported: list all dimensions, or none"
                );
                notes.mistake(object.line, what);
            }
        }
        object.end(notes);
    }
    let dimensions = if listed.is_empty() {
        excluded.sort();
        excluded.dedup();
        Dimensions::Discovered { excluded }
    } else {
        Dimensions::Listed(listed)
    };
    (dimensions, names)
}

fn dimension(node: Node<'_>, notes: &mut Notes) -> Option<Dimension> {
    if node.kind() != "an object" {
        let name = scalar(node, "its name or an object", "a dimension", notes)?;
        let kind = DimensionKind::Text;
        return Some(Dimension { name, kind });
    }
    let mut object = Object::of(node, "the dimension", notes)?;
    let name = object.required("name", notes);
    if let Some((name, _)) = &name {
        object.name = format!("the dimension `{}`", Shown(name));
    }
    let kind = match object.located("type", notes) {
        None => Some(DimensionKind::Text),
        Some((asked, line)) => one_of(&asked, line, "dimension type", &DIMENSIONS, notes),
    };
    object.end(notes);
    Some(Dimension {
        name: name?.0,
        kind: kind?,
    })
}

/// What a name stands for; a mistake with all names where it is none of them.
fn one_of<T: Copy>(
    asked: &str,
    line: usize,
    what: &str,
    table: &[(&str, T)],
    notes: &mut Notes,
) -> Option<T> {
    let found = table.iter().find(|(name, _)| *name == asked);
    if found.is_none() {
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        let hint = nearest::hint(asked, &names);
        let asked = Shown(asked);
        notes.mistake(line, format!("there is no {what} `{asked}`; {hint}"));
    }
    found.map(|(_, value)| *value)
}

/// Names that the files of a cube, or its answers, have for themselves.
pub(crate) fn is_reserved(name: &str) -> bool {
    ["", "__time"].contains(&name) || name.ends_with("#low")
}

fn check_name(name: &str, line: usize, notes: &mut Notes) {
    if is_reserved(name) {
        let what = format!(
            "`{}` cannot be a name: a name is not empty, not `__time` (which squall uses itself), \
             and does not end in `#low`",
            Shown(name)
        );
        notes.mistake(line, what);
    }
}

fn metrics_spec(
    nodes: Vec<Node<'_>>,
    dimensions: &HashSet<String>,
    notes: &mut Notes,
) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    let (mut names, mut lines) = (HashSet::new(), Vec::new());
    for node in nodes {
        let Some((metric, line)) = metric(node, notes) else {
            continue;
        };
        let name = &metric.name;
        check_name(name, line, notes);
        if !names.insert(name.clone()) {
            notes.mistake(line, format!("the metric `{}` is given twice", Shown(name)));
        }
        if dimensions.contains(name) {
            notes.mistake(
                line,
                format!("`{}` is both a dimension and a metric", Shown(name)),
            );
        }
        metrics.push(metric);
        lines.push(line);
    }
    for (metric, line) in metrics.iter().zip(lines) {
        let error = error_name(&metric.name);
        let taken = dimensions.contains(&error) || names.contains(&error);
        if metric.kind == Kind::HyperUnique && taken {
            let what = format!(
                "the error of `{}` is called `{}` in answers, so nothing else can have this name",
                Shown(&metric.name),
                Shown(error)
            );
            notes.mistake(line, what);
        }
    }
    metrics
}

/// A metric with the line of its name.
fn metric(node: Node<'_>, notes: &mut Notes) -> Option<(Metric, usize)> {
    let mut object = Object::of(node, "the metric", notes)?;
    let kind = object
        .required("type", notes)
        .and_then(|(asked, line)| one_of(&asked, line, "aggregator", &AGGREGATORS, notes));
    let name = object.required("name", notes);
    if let Some((name, _)) = &name {
        object.name = format!("the metric `{}`", Shown(name));
    }
    let kind = kind?;
    let field = match kind {
        Kind::Count => None,
        _ => Some(object.required("fieldName", notes)?.0),
    };
    if let Some(node) = object.take("expression") {
        notes.mistake(
            node.line(),
            "expressions are not supported: give a `fieldName`",
        );
    }
    if kind == Kind::HyperUnique {
        // Estimates are whole anyway.
        object.boolean("round", notes);
        let line = object.line;
        if object.boolean("isInputHyperUnique", notes) == Some(true) {
            let what = "sketches cannot be read: `isInputHyperUnique` must be false";
            notes.mistake(line, what);
        }
    }
    object.end(notes);
    let (name, line) = name?;
    Some((Metric { name, field, kind }, line))
}

type Granularities = (
    Option<Granularity>,
    Option<Granularity>,
    bool,
    Vec<Range<i64>>,
);

/// The granularities of segments and of rows, whether rows are rolled up, and the intervals.
fn granularity_spec(mut object: Object<'_>, notes: &mut Notes) -> Granularities {
    if let Some((kind, line)) = object.located("type", notes) {
        one_of(&kind, line, "granularity type", &[("uniform", ())], notes);
    }
    let mut place = object.line;
    let mut read = |name: &'static str, usual: &str, notes: &mut Notes| match object.take(name) {
        Some(node) => {
            place = node.line();
            granularity(node, name, notes)
        }
        None => usual.parse().ok(),
    };
    let query = read("queryGranularity", "none", notes);
    let segment = read("segmentGranularity", "day", notes);
    if let (Some(segment), Some(query)) = (&segment, &query) {
        let milliseconds = segment.bucket(0).end == 1;
        if milliseconds {
            let what = "`segmentGranularity` cannot be `none`: each millisecond would be a file";
            notes.mistake(place, what);
        } else if !segment.holds(query) {
            let what = format!(
                "a segment of the granularity `{segment}` is not made of whole buckets of the query \
                 granularity `{query}`: give a coarser `segmentGranularity`, such as `{query}`"
            );
            notes.mistake(place, what);
        }
    }
    let rollup = object.boolean("rollup", notes).unwrap_or(true);
    let intervals = object.list("intervals", notes).unwrap_or_default();
    let intervals = intervals.into_iter().filter_map(|node| {
        let text: String = scalar(node, "a text", "an interval", notes)?;
        let interval = interval(&text);
        if let Err(why) = &interval {
            notes.mistake(
                node.line(),
                format!("`{}` is not an interval: {why}", Shown(text)),
            );
        }
        interval.ok()
    });
    let intervals = intervals.collect();
    object.end(notes);
    (segment, query, rollup, intervals)
}

pub(super) fn granularity(node: Node<'_>, name: &str, notes: &mut Notes) -> Option<Granularity> {
    if node.kind() != "an object" {
        let name = format!("`{name}`");
        let text: String = scalar(node, "a name or an object", &name, notes)?;
        let granularity = text.parse();
        return granularity
            .map_err(|why: crate::UnknownGranularity| notes.mistake(node.line(), why.to_string()))
            .ok();
    }
    let mut object = Object::of(node, &format!("`{name}`"), notes)?;
    let (kind, kind_line) = object.required("type", notes)?;
    let mut lines = [object.line; 3];
    let mut text = |part: Part, name: &'static str, notes: &mut Notes| {
        let (text, line) = object.located(name, notes)?;
        lines[part as usize] = line;
        Some(text)
    };
    let granularity = match kind.as_str() {
        "all" | "none" => kind.parse().ok(),
        "period" => {
            let zone = text(Part::Zone, "timeZone", notes);
            let origin = text(Part::Origin, "origin", notes);
            let period = text(Part::Period, "period", notes);
            match period {
                None => {
                    notes.mistake(
                        kind_line,
                        format!("`{name}` needs a `period` such as `P1D`"),
                    );
                    None
                }
                Some(period) => {
                    let granularity =
                        Granularity::period(&period, zone.as_deref(), origin.as_deref());
                    granularity
                        .map_err(|why| notes.mistake(lines[why.part as usize], why.to_string()))
                        .ok()
                }
            }
        }
        "duration" => {
            let origin = text(Part::Origin, "origin", notes);
            let duration = object.take("duration");
            let millis = duration.and_then(|node| {
                lines[Part::Period as usize] = node.line();
                let number = node
                    .value()
                    .or_else(|| node.value::<String>()?.parse().ok());
                if number.is_none() {
                    let what = format!(
                        "the duration {} is not a number of milliseconds",
                        node.raw()
                    );
                    notes.mistake(node.line(), what);
                }
                number
            });
            match (duration, millis) {
                (None, _) => {
                    let what = format!("`{name}` needs a `duration` in milliseconds");
                    notes.mistake(kind_line, what);
                    None
                }
                (_, None) => None,
                (_, Some(millis)) => Granularity::duration(millis, origin.as_deref())
                    .map_err(|why| notes.mistake(lines[why.part as usize], why.to_string()))
                    .ok(),
            }
        }
        _ => {
            let table = ["period", "duration", "all", "none"].map(|name| (name, ()));
            one_of(&kind, kind_line, "granularity type", &table, notes);
            return None;
        }
    };
    object.end(notes);
    granularity
}
