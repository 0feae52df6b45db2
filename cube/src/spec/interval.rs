//! Intervals of ISO 8601.

use std::ops::Range;

use jiff::Span;
use jiff::civil::DateTime;
use jiff::fmt::temporal::SpanParser;
use jiff::tz::Offset;

use crate::moment;

/// `2015-09-12/2015-09-13`, `2015-09-12/P1D` or `P1D/2015-09-13`, in milliseconds since 1970; a
/// period is that of the calendar in UTC.
pub(super) fn interval(text: &str) -> Result<Range<i64>, String> {
    let (from, to) = text
        .split_once('/')
        .ok_or("give two moments, or a moment and a period, separated by `/`")?;
    let is_period = |text: &str| text.trim_start().starts_with(['P', 'p']);
    let (from, to) = match (is_period(from), is_period(to)) {
        (true, true) => return Err("of its two parts one must be a moment".to_owned()),
        (false, true) => {
            let from = moment::iso(from)?;
            (from, beside(from, to, false)?)
        }
        (true, false) => {
            let to = moment::iso(to)?;
            (beside(to, from, true)?, to)
        }
        (false, false) => (moment::iso(from)?, moment::iso(to)?),
    };
    if from >= to {
        return Err("it ends before it begins".to_owned());
    }
    Ok(from..to)
}

/// The moment that is as far from another one as this period is long.
fn beside(millis: i64, period: &str, before: bool) -> Result<i64, String> {
    let wrong = |error: jiff::Error| format!("`{period}` is not a period such as `P1D`: {error}");
    let span: Span = SpanParser::new().parse_span(period.trim()).map_err(wrong)?;
    let moment = jiff::Timestamp::from_millisecond(millis).map_err(wrong)?;
    let civil: DateTime = Offset::UTC.to_datetime(moment);
    let moved = if before {
        civil.checked_sub(span)
    } else {
        civil.checked_add(span)
    };
    let moved = moved.and_then(|civil| Offset::UTC.to_timestamp(civil));
    Ok(moved.map_err(wrong)?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_two_moments_or_one_and_a_period_on_either_side() {
        let day = |text: &str| moment::iso(text).unwrap();
        let table = [
            ("2015-09-12/2015-09-13", "2015-09-12", "2015-09-13"),
            ("2015-09-12/P1D", "2015-09-12", "2015-09-13"),
            ("P1D/2015-09-13", "2015-09-12", "2015-09-13"),
            ("P1M/2016-03-31", "2016-02-29", "2016-03-31"),
            ("2016-01-31/P1M", "2016-01-31", "2016-02-29"),
            ("P1Y/2015", "2014", "2015"),
            ("P1W/2015-09-08", "2015-09-01", "2015-09-08"),
            ("PT36H/2015-09-13", "2015-09-11T12:00:00", "2015-09-13"),
            (
                "P1DT12H/2015-09-13T00:00:00Z",
                "2015-09-11T12:00:00",
                "2015-09-13",
            ),
            (
                "2015-09-12T00Z/PT0.5S",
                "2015-09-12",
                "2015-09-12T00:00:00.5",
            ),
        ];
        for (text, from, to) in table {
            assert_eq!(interval(text), Ok(day(from)..day(to)), "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_is_told() {
        let table = [
            ("2015-09-12", "give two moments"),
            ("P1D/P1D", "one must be a moment"),
            ("P1D/", "give one such as"),
            ("2015-09-12/P1X", "`P1X` is not a period"),
            ("P/2015-09-12", "`P` is not a period"),
            ("2015-09-13/2015-09-12", "ends before it begins"),
            ("2015-09-12/P0D", "ends before it begins"),
            ("2015-09-12/-P1D", "give one such as"),
            ("2015-09-12/2015-09-13/2015-09-14", "give one such as"),
        ];
        for (text, told) in table {
            let error = interval(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
