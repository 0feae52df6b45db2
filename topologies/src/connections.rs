//! How servers are reached: users, passwords and certificates, out of a file or the environment.
//!
//! They stand in neither the command line, which everybody on the machine can read, nor the data
//! directory.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use squall::text::nearest;

use crate::wrong::WrongUse;

/// The properties of the connections of one kind of server, such as `sasl.password` of `kafka`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connections {
    properties: BTreeMap<String, String>,
}

/// The file, where one is named.
const FILE: &str = "SQUALL_CONNECTIONS";

/// The properties of a Redis, and of a `PostgreSQL`.
#[cfg(any(feature = "redis", feature = "postgres"))]
const STORE: [&str; 3] = ["ca", "password", "user"];

/// All properties, with the kind of server before them.
fn known() -> Vec<String> {
    let mut known = Vec::new();
    #[cfg(feature = "kafka")]
    known.extend(squall_kafka::OPTIONS.map(|option| format!("kafka.{option}")));
    #[cfg(feature = "redis")]
    known.extend(STORE.map(|name| format!("redis.{name}")));
    #[cfg(feature = "postgres")]
    known.extend(STORE.map(|name| format!("postgres.{name}")));
    known.sort();
    known
}

impl Connections {
    /// Those of a file, each of which the environment may say otherwise: `kafka.sasl.password` is
    /// `SQUALL_KAFKA_SASL_PASSWORD`. Without a file that which `SQUALL_CONNECTIONS` names.
    ///
    /// # Errors
    /// Where the file cannot be read, or has a line that is no property. No value is told.
    pub fn read(file: Option<&Path>) -> Result<Self, WrongUse> {
        let known = known();
        let mut properties = BTreeMap::new();
        let by_environment = std::env::var_os(FILE);
        let file = file.or(by_environment.as_deref().map(Path::new));
        if let Some(file) = file {
            let path = file.display().to_string();
            let text = std::fs::read_to_string(file).map_err(|error| WrongUse::Unreadable {
                path: path.clone(),
                error: error.to_string(),
            })?;
            properties = parse(&text, &known).map_err(|(line, reason)| WrongUse::Connections {
                path,
                line,
                reason,
            })?;
        }
        for name in known {
            let variable = format!("SQUALL_{}", name.to_uppercase().replace('.', "_"));
            if let Ok(value) = std::env::var(variable) {
                properties.insert(name, value);
            }
        }
        Ok(Self { properties })
    }

    /// The properties of a kind of server, without its name.
    pub fn of<'c>(&'c self, kind: &'c str) -> impl Iterator<Item = (&'c str, &'c str)> {
        self.properties.iter().filter_map(move |(name, value)| {
            let name = name.strip_prefix(kind)?.strip_prefix('.')?;
            Some((name, value.as_str()))
        })
    }
}

/// Without values, some of which are secrets.
impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.properties.keys()).finish()
    }
}

/// Lines of `name = value`; `#` begins a comment.
fn parse(text: &str, known: &[String]) -> Result<BTreeMap<String, String>, (usize, String)> {
    let mut properties = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err((number, "give NAME = VALUE".to_owned()));
        };
        let (name, value) = (name.trim(), value.trim());
        if !known.iter().any(|known| known == name) {
            let hint = match nearest(name, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the properties are {}", known.join(", ")),
            };
            return Err((number, format!("there is no property `{name}`; {hint}")));
        }
        if properties
            .insert(name.to_owned(), value.to_owned())
            .is_some()
        {
            return Err((number, format!("`{name}` is given twice")));
        }
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_properties_and_errors_tell_no_value() {
        let known = ["kafka.sasl.password", "kafka.sasl.username"].map(str::to_owned);
        let text = "# who\nkafka.sasl.username = ann\n\nkafka.sasl.password=a = b # c\n";
        let properties = parse(text, &known).unwrap();
        assert_eq!(properties["kafka.sasl.username"], "ann");
        assert_eq!(properties["kafka.sasl.password"], "a = b # c");
        for (text, line, part) in [
            ("secret", 1, "NAME = VALUE"),
            (
                "\nkafka.sasl.pasword = secret",
                2,
                "did you mean `kafka.sasl.password`?",
            ),
            (
                "kafka.sasl.username=secret\nkafka.sasl.username=secret",
                2,
                "twice",
            ),
        ] {
            let (found, reason) = parse(text, &known).unwrap_err();
            assert_eq!(found, line);
            assert!(
                reason.contains(part) && !reason.contains("secret"),
                "{reason}"
            );
        }
        let shown = format!("{:?}", Connections { properties });
        assert!(!shown.contains("ann"), "{shown}");
    }
}
