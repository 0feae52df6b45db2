//! Where a new topology begins to read what goes on without an end, and whether it ends there.

use std::fmt;
use std::str::FromStr;

use clap::Args;
use squall::Timestamp;
use squall::connectors::files::TimeFormat;

use crate::wrong::WrongUse;

/// Where to begin, and whether to end.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Where a new topology begins to read a depot or a topic of Kafka: the end (or latest), the
    /// beginning (or earliest), or in a topic a time such as 2026-01-31T12:00:00Z. A topology that
    /// has begun elsewhere is refused [default: the end of a depot, the beginning of a topic]
    #[arg(long, value_name = "end|beginning|TIME", requires = "source")]
    pub from: Option<From>,
    /// Stop at the present end of the depot or topic
    #[arg(long, requires = "source")]
    pub until_end: bool,
}

/// Where a new topology begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the end: with what is appended from now on.
    End,
    /// At the first record that is kept.
    Beginning,
    /// At the first record of this time or later.
    Time(Timestamp),
}

/// What says no place to begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give end, beginning, or a time such as 2026-01-31T12:00:00Z")]
pub struct FromError;

impl FromStr for From {
    type Err = FromError;

    fn from_str(text: &str) -> Result<Self, FromError> {
        match text {
            "end" | "latest" => Ok(Self::End),
            "beginning" | "earliest" => Ok(Self::Beginning),
            _ => {
                let millis = TimeFormat::Rfc3339.parse(text);
                let millis = millis.map_err(|_| FromError)?;
                Ok(Self::Time(Timestamp::from_millis(millis)))
            }
        }
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("end"),
            Self::Beginning => f.write_str("beginning"),
            Self::Time(time) => time.fmt(f),
        }
    }
}

impl Position {
    /// Files and folders begin at their beginning, and end.
    ///
    /// # Errors
    /// Where something else is asked for.
    pub fn check_unused(&self) -> Result<(), WrongUse> {
        if self.from.is_some() {
            return Err(WrongUse::PositionOfFiles { option: "--from" });
        }
        if self.until_end {
            return Err(WrongUse::PositionOfFiles {
                option: "--until-end",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_the_words_of_depots_and_of_kafka() {
        for (text, from) in [
            ("end", Ok(From::End)),
            ("latest", Ok(From::End)),
            ("beginning", Ok(From::Beginning)),
            ("earliest", Ok(From::Beginning)),
            (
                "1970-01-01T00:00:01Z",
                Ok(From::Time(Timestamp::from_millis(1_000))),
            ),
            ("yesterday", Err(FromError)),
        ] {
            assert_eq!(text.parse(), from, "{text}");
        }
    }
}
