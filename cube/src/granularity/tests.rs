use proptest::prelude::*;

use super::*;

fn granularity(text: &str) -> Granularity {
    text.parse().unwrap()
}

/// A moment by its text.
fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn check(table: &str) {
    let lines = table.lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let columns: Vec<&str> = line.split(" | ").collect();
        let [name, moment, start, end] = columns[..] else {
            panic!("{line}");
        };
        let bucket = granularity(name).bucket(at(moment));
        assert_eq!(bucket, at(start)..at(end), "{line}: {bucket:?}");
    }
}

/// A granularity, a moment, and where its bucket begins and ends.
const NAMES: &str = "
none | 2015-03-20T18:51:09.123Z | 2015-03-20T18:51:09.123Z | 2015-03-20T18:51:09.124Z
second | 2015-03-20T18:51:09.123Z | 2015-03-20T18:51:09Z | 2015-03-20T18:51:10Z
minute | 2015-03-20T18:51:09Z | 2015-03-20T18:51:00Z | 2015-03-20T18:52:00Z
five_minute | 2015-03-20T18:51:09Z | 2015-03-20T18:50:00Z | 2015-03-20T18:55:00Z
ten_minute | 2015-03-20T18:59:59Z | 2015-03-20T18:50:00Z | 2015-03-20T19:00:00Z
fifteen_minute | 2015-03-20T18:51:09Z | 2015-03-20T18:45:00Z | 2015-03-20T19:00:00Z
thirty_minute | 2015-03-20T18:51:09Z | 2015-03-20T18:30:00Z | 2015-03-20T19:00:00Z
HOUR | 2015-03-20T18:51:09Z | 2015-03-20T18:00:00Z | 2015-03-20T19:00:00Z
six_hour | 2015-03-20T18:51:09Z | 2015-03-20T18:00:00Z | 2015-03-21T00:00:00Z
eight_hour | 2015-03-20T18:51:09Z | 2015-03-20T16:00:00Z | 2015-03-21T00:00:00Z
Day | 2015-03-20T18:51:09Z | 2015-03-20T00:00:00Z | 2015-03-21T00:00:00Z
# A Friday; the week begins on Monday.
week | 2015-03-20T18:51:09Z | 2015-03-16T00:00:00Z | 2015-03-23T00:00:00Z
week | 2015-03-16T00:00:00Z | 2015-03-16T00:00:00Z | 2015-03-23T00:00:00Z
month | 2016-02-29T23:59:59Z | 2016-02-01T00:00:00Z | 2016-03-01T00:00:00Z
month | 2100-02-28T12:00:00Z | 2100-02-01T00:00:00Z | 2100-03-01T00:00:00Z
quarter | 2015-03-31T23:59:59Z | 2015-01-01T00:00:00Z | 2015-04-01T00:00:00Z
year | 2016-12-31T23:59:59Z | 2016-01-01T00:00:00Z | 2017-01-01T00:00:00Z
# Before 1970.
hour | 1969-12-31T23:59:59.999Z | 1969-12-31T23:00:00Z | 1970-01-01T00:00:00Z
week | 1969-12-28T12:00:00Z | 1969-12-22T00:00:00Z | 1969-12-29T00:00:00Z
month | 1969-12-31T23:59:59Z | 1969-12-01T00:00:00Z | 1970-01-01T00:00:00Z
quarter | 1968-02-29T00:00:00Z | 1968-01-01T00:00:00Z | 1968-04-01T00:00:00Z
year | 1904-02-29T00:00:00Z | 1904-01-01T00:00:00Z | 1905-01-01T00:00:00Z
";

#[test]
fn buckets_of_druids_names() {
    check(NAMES);
    assert_eq!(granularity("all").bucket(5), i64::MIN..i64::MAX);
}

/// The same.
const PERIODS: &str = "
# The clocks go forward at 10:00 UTC: 23 hours; back at 09:00 UTC: 25 hours.
P1D in America/Los_Angeles | 2015-03-08T20:00:00Z | 2015-03-08T08:00:00Z | 2015-03-09T07:00:00Z
P1D in America/Los_Angeles | 2015-11-01T20:00:00Z | 2015-11-01T07:00:00Z | 2015-11-02T08:00:00Z
P1D in America/Los_Angeles | 1965-07-01T06:59:59Z | 1965-06-30T07:00:00Z | 1965-07-01T07:00:00Z
P1D in +05:30 | 2015-03-08T18:30:00Z | 2015-03-08T18:30:00Z | 2015-03-09T18:30:00Z
P1W in Europe/Prague | 2015-03-29T21:59:59Z | 2015-03-22T23:00:00Z | 2015-03-29T22:00:00Z
P1M in America/Los_Angeles | 2016-02-29T12:00:00Z | 2016-02-01T08:00:00Z | 2016-03-01T08:00:00Z
P1Y in Asia/Tokyo | 2015-12-31T15:00:00Z | 2015-12-31T15:00:00Z | 2016-12-31T15:00:00Z
# An hour on a clock that is half an hour off, and one that was moved by half an hour.
PT1H in Asia/Kolkata | 2015-03-08T12:10:00Z | 2015-03-08T11:30:00Z | 2015-03-08T12:30:00Z
PT1H in Australia/Lord_Howe | 2015-04-04T14:45:00Z | 2015-04-04T14:00:00Z | 2015-04-04T15:00:00Z
PT1H in Australia/Lord_Howe | 2015-04-04T15:10:00Z | 2015-04-04T15:00:00Z | 2015-04-04T15:30:00Z
PT1H in America/Los_Angeles | 2015-11-01T09:10:00Z | 2015-11-01T09:00:00Z | 2015-11-01T10:00:00Z
# A zone that left a day out: 2011-12-30.
P1D in Pacific/Apia | 2011-12-30T09:00:00Z | 2011-12-29T10:00:00Z | 2011-12-30T10:00:00Z
P1D in Pacific/Apia | 2011-12-30T10:00:00Z | 2011-12-30T10:00:00Z | 2011-12-31T10:00:00Z
# Several hours are as long as on a stop watch.
PT6H in America/Los_Angeles | 2015-07-01T00:00:00Z | 2015-06-30T20:00:00Z | 2015-07-01T02:00:00Z
# Counted from 1970, a Thursday, and not from Monday.
P2W | 1970-01-14T00:00:00Z | 1970-01-01T00:00:00Z | 1970-01-15T00:00:00Z
P2W from 2015-03-16 | 2015-03-15T00:00:00Z | 2015-03-02T00:00:00Z | 2015-03-16T00:00:00Z
P2Y | 1969-06-01T00:00:00Z | 1968-01-01T00:00:00Z | 1970-01-01T00:00:00Z
P1M from 2015-01-15T12:00:00Z | 2015-03-15T11:59:59Z | 2015-02-15T12:00:00Z | 2015-03-15T12:00:00Z
P1M from 2015-01-31 | 2015-03-01T00:00:00Z | 2015-02-28T00:00:00Z | 2015-03-31T00:00:00Z
P1DT12H | 1970-01-02T11:00:00Z | 1970-01-01T00:00:00Z | 1970-01-02T12:00:00Z
P1MT12H | 1970-02-01T13:00:00Z | 1970-02-01T12:00:00Z | 1970-03-02T00:00:00Z
PT90M | 1970-01-01T02:00:00Z | 1970-01-01T01:30:00Z | 1970-01-01T03:00:00Z
PT0.25S | 1970-01-01T00:00:00.3Z | 1970-01-01T00:00:00.25Z | 1970-01-01T00:00:00.5Z
";

#[test]
fn buckets_of_periods_in_zones_and_from_origins() {
    check(PERIODS);
    let two_hours = Granularity::duration(7_200_000, Some("1970-01-01T01:00:00Z")).unwrap();
    assert_eq!(two_hours.bucket(0), -3_600_000..3_600_000);
}

/// St. John's set its clocks back at 00:01, to 23:01 of the day before; Havana does at 01:00.
const MIDNIGHT_TWICE: &str = "
P1D in America/St_Johns | 2005-10-30T03:00:00Z | 2005-10-29T02:30:00Z | 2005-10-30T03:30:00Z
P1D in America/St_Johns | 2005-10-30T03:30:00Z | 2005-10-30T03:30:00Z | 2005-10-31T03:30:00Z
P1M in America/St_Johns | 2009-11-01T03:00:00Z | 2009-10-01T02:30:00Z | 2009-11-01T03:30:00Z
P1D in America/Havana | 2015-11-01T04:30:00Z | 2015-11-01T04:00:00Z | 2015-11-02T05:00:00Z
";

#[test]
fn a_day_that_the_clocks_go_back_to_lasts_until_its_second_midnight() {
    check(MIDNIGHT_TWICE);
}

#[test]
fn each_granularity_has_one_name() {
    let table = [
        ("P1D", "day"),
        ("p1w", "week"),
        ("P7D", "P7D"),
        ("P7D from 2015-03-16", "week"),
        ("P3M", "quarter"),
        ("P12M", "year"),
        ("P1Y in UTC", "year"),
        ("PT60M in Etc/UTC", "hour"),
        ("PT1H in Asia/Kolkata", "PT1H in Asia/Kolkata"),
        ("P14M", "P1Y2M"),
        ("P1W in america/los_angeles", "P1W in America/Los_Angeles"),
        ("P1D in +02:00", "P1D in +02"),
        ("PT5400.5S", "PT1H30M0.500S"),
        (
            "P1D from 2015-03-16T06:00:00Z",
            "P1D from 1970-01-01T06:00:00Z",
        ),
        ("P1M from 2015-03-16", "P1M from 2015-03-16T00:00:00Z"),
        ("All", "all"),
    ];
    for (asked, name) in table {
        let granularity = granularity(asked);
        assert_eq!(granularity.to_string(), name);
        let json = serde_json::to_string(&granularity).unwrap();
        let again: Granularity = serde_json::from_str(&json).unwrap();
        assert_eq!(again, granularity);
        let moment = at("2015-03-20T18:51:09Z");
        assert_eq!(again.bucket(moment), granularity.bucket(moment), "{asked}");
    }
    assert_eq!(
        Granularity::duration(86_400_000, None).unwrap(),
        granularity("day")
    );
}

#[test]
fn what_is_no_granularity_is_told_with_what_there_is() {
    let table = [
        (
            "dya",
            "there is no granularity `dya`; did you mean `day`? there are all, none, second",
        ),
        ("fortnight", "periods such as `P1D`"),
        ("P1X", "`P1X` is not a period"),
        ("P", "`P` is not a period"),
        ("P0D", "`P0D` is not a length for buckets"),
        ("PT0.0001S", "give whole milliseconds"),
        (
            "P1D in Mars/Olympus",
            "there is no time zone `Mars/Olympus`",
        ),
        ("P1D in Europe/Prag", "did you mean `Europe/Prague`?"),
        ("P1D from then", "the origin `then` is not a moment"),
        ("P99999999D", "`P99999999D` is not a period"),
    ];
    for (asked, part) in table {
        let error = asked.parse::<Granularity>().unwrap_err().to_string();
        assert!(error.contains(part), "{asked}: {error}");
    }
    assert!(Granularity::duration(0, None).is_err());
}

#[test]
fn a_coarser_granularity_holds_a_finer_one() {
    let holds = [
        ("all", "year"),
        ("all", "all"),
        ("year", "quarter"),
        ("quarter", "month"),
        ("month", "day"),
        ("week", "day"),
        ("day", "six_hour"),
        ("day", "eight_hour"),
        ("hour", "none"),
        ("none", "none"),
        ("PT90M", "thirty_minute"),
        ("P1D in America/Los_Angeles", "hour"),
        ("P1M in America/Los_Angeles", "P1D in America/Los_Angeles"),
        ("PT1H in Asia/Kolkata", "thirty_minute"),
        ("P1D in Asia/Kolkata", "PT1H in Asia/Kolkata"),
        ("P1D from 2015-03-16T06:00:00Z", "six_hour"),
    ];
    for (one, other) in holds {
        let (one, other) = (granularity(one), granularity(other));
        assert!(one.holds(&other), "{one} holds {other}");
        assert_eq!(other.holds(&one), one == other, "{other} holds {one}");
    }
    let apart = [
        ("month", "week"),
        ("week", "month"),
        ("six_hour", "eight_hour"),
        ("day", "PT90M from 1970-01-01T00:30:00Z"),
        ("day", "P1D in America/Los_Angeles"),
        ("P1D in America/Los_Angeles", "six_hour"),
        ("P1D in Asia/Kolkata", "hour"),
        ("P1D in Europe/London", "P1D in UTC"),
    ];
    for (one, other) in apart {
        let (one, other) = (granularity(one), granularity(other));
        assert!(!one.holds(&other) && !other.holds(&one), "{one} {other}");
    }
}

#[test]
fn beyond_the_calendar_the_last_bucket_goes_on() {
    for name in [
        "month",
        "P1D in America/Los_Angeles",
        "PT1H in Asia/Kolkata",
        "hour",
        "week",
    ] {
        let granularity = granularity(name);
        for moment in [i64::MIN, i64::MIN + 1, i64::MAX - 1] {
            let bucket = granularity.bucket(moment);
            assert!(bucket.contains(&moment), "{name} {moment} {bucket:?}");
        }
    }
}

fn any_granularity() -> impl Strategy<Value = Granularity> {
    let named = prop::sample::select(NAMED).prop_map(|(name, _)| (*name).to_owned());
    let zones = vec![
        "UTC",
        "America/Los_Angeles",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "Africa/Monrovia",
        "+05:45",
    ];
    let period = prop_oneof![
        prop::sample::select(&["PT1S", "PT1M", "PT1H", "P1D", "P1W", "P1M", "P1Y"][..])
            .prop_map(str::to_owned),
        (1..40_i64, prop::sample::select(&["D", "W", "M", "Y"][..]))
            .prop_map(|(many, unit)| format!("P{many}{unit}")),
        (1..5_000_i64, prop::sample::select(&["H", "M", "S"][..]))
            .prop_map(|(many, unit)| format!("PT{many}{unit}")),
        (0..3_i64, 0..20_i64, 1..30_i64)
            .prop_map(|(months, days, hours)| format!("P{months}M{days}DT{hours}H")),
    ];
    let origin = prop::option::of(-4_000_000_000_i64..4_000_000_000);
    let period = (period, prop::sample::select(zones), origin).prop_map(
        |(period, zone, origin)| match origin {
            None => format!("{period} in {zone}"),
            Some(second) => {
                let origin = squall::Timestamp::from_millis(second * 1_000);
                format!("{period} in {zone} from {origin}")
            }
        },
    );
    prop_oneof![named, period].prop_map(|text| granularity(&text))
}

/// From 1829 to 2110, and now and then the second before a change of the clocks.
fn any_moment() -> impl Strategy<Value = i64> {
    prop_oneof![
        -4_449_600_000_000_i64..4_449_600_000_000,
        (0..100_i64).prop_map(|hour| at("2011-12-28T00:00:00Z") + hour * HOUR - 1),
        (0..100_i64).prop_map(|hour| at("2015-10-31T00:00:00Z") + hour * HOUR / 2),
    ]
}

proptest! {
    /// Every moment is in one bucket, whose first and last moments have the same, and whose
    /// neighbours follow without a gap.
    #[test]
    fn buckets_partition_time(granularity in any_granularity(), moment in any_moment(), part in 0.0..1.0_f64) {
        let bucket = granularity.bucket(moment);
        prop_assert!(bucket.contains(&moment), "{granularity} {moment} {bucket:?}");
        prop_assert_eq!(granularity.bucket(bucket.start), bucket.clone());
        prop_assert_eq!(granularity.bucket(bucket.end - 1), bucket.clone());
        if bucket.start > i64::MIN {
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            let inside = bucket.start + ((bucket.end - bucket.start) as f64 * part) as i64;
            prop_assert_eq!(granularity.bucket(inside), bucket.clone());
            prop_assert_eq!(granularity.bucket(bucket.start - 1).end, bucket.start);
            prop_assert_eq!(granularity.bucket(bucket.end).start, bucket.end);
        }
    }

    #[test]
    fn a_granularity_is_read_as_it_is_written(granularity in any_granularity(), moment in any_moment()) {
        let again: Granularity = granularity.to_string().parse().unwrap();
        prop_assert_eq!(&again, &granularity);
        prop_assert_eq!(again.bucket(moment), granularity.bucket(moment));
    }

    #[test]
    fn what_is_held_never_crosses_a_bucket(
        coarse in any_granularity(), fine in any_granularity(), moment in any_moment(),
    ) {
        let moment = moment.max(0);
        if coarse.holds(&fine) && fine.bucket(moment).start >= 0 {
            let (inner, outer) = (fine.bucket(moment), coarse.bucket(moment));
            prop_assert!(outer.start <= inner.start && inner.end <= outer.end, "{coarse} {fine} {moment}");
        }
    }
}
