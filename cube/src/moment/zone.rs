//! Time zones by name.

use jiff::tz::{Offset, TimeZone};

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
    by_abbreviation(name).or_else(|| crate::granularity::time_zone(name).ok())
}
