//! When something is done that changes no result.

use std::fmt;
use std::str::FromStr;

/// When something is done that changes no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// Where it pays.
    #[default]
    Pays,
    /// Wherever it can be done.
    Always,
    /// Never.
    Never,
}

/// There is no such word for when something is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not say when; use pays, always or never")]
pub struct UnknownWhen(
    /// What was given.
    pub String,
);

/// Named `pays`, `always` or `never`.
impl FromStr for When {
    type Err = UnknownWhen;

    fn from_str(name: &str) -> Result<Self, UnknownWhen> {
        match name {
            "pays" => Ok(Self::Pays),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(UnknownWhen(name.to_owned())),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pays => "pays",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_what_they_print() {
        for when in [When::Pays, When::Always, When::Never] {
            assert_eq!(when.to_string().parse(), Ok(when));
        }
        let error = "often".parse::<When>().unwrap_err().to_string();
        assert_eq!(
            error,
            r#""often" does not say when; use pays, always or never"#
        );
    }
}
