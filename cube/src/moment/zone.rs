//! Time zones by name.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use squall::text;

/// Abbreviations with the hours that their clocks are ahead of UTC: those of RFC 2822, which mean
/// one offset, whatever the date. In the time zone database some of them are something else.
const ABBREVIATIONS: [(&str, i8); 12] = [
    ("UT", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];

/// `UTC`, `PST`, `EDT`, in any case.
pub(super) fn by_abbreviation(name: &str) -> Option<TimeZone> {
    let mut known = ABBREVIATIONS.iter();
    let (_, hours) = known.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(match hours {
        0 => TimeZone::UTC,
        hours => TimeZone::fixed(Offset::constant(*hours)),
    })
}

/// A name of the time zone database, an abbreviation, or an offset.
pub(super) fn by_name(name: &str) -> Option<TimeZone> {
    by_abbreviation(name).or_else(|| time_zone(name).ok())
}

/// A zone of the IANA database, which is built in, or an offset from UTC.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone, String> {
    if ["z", "utc", "etc/utc", "gmt", "etc/gmt"].contains(&name.to_lowercase().as_str()) {
        return Ok(TimeZone::UTC);
    }
    if name.starts_with(['+', '-']) {
        // An offset is read as that of a moment.
        let moment = format!("1970-01-02T00:00:00{name}").parse::<Timestamp>();
        if let Ok(moment) = moment {
            let seconds = i32::try_from(86_400 - moment.as_second()).unwrap_or_default();
            if let Ok(offset) = Offset::from_seconds(seconds) {
                return Ok(TimeZone::fixed(offset));
            }
        }
    }
    jiff::tz::db().get(name).map_err(|_| {
        let names: Vec<_> = jiff::tz::db().available().collect();
        let names: Vec<&str> = names.iter().map(jiff::tz::TimeZoneName::as_str).collect();
        let hint = match text::nearest(name, &names) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => {
                "give a name such as `America/Los_Angeles`, or an offset such as `+02:00`".into()
            }
        };
        format!("there is no time zone `{name}`; {hint}")
    })
}
