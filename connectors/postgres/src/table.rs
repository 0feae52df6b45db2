//! Names of tables and columns.

use std::fmt;

use crate::Error;

/// The name of a table, with its schema where one is given: `shop.orders`. Names are taken as they are
/// written, capitals too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    schema: Option<String>,
    name: String,
}

/// PostgreSQL cuts longer ones off.
const MAX_NAME_BYTES: usize = 63;

/// Refuses what no table or column can be called.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    let reason = match name {
        "" => "it is empty",
        _ if name.contains('\0') => "it has the character U+0000",
        _ if name.len() > MAX_NAME_BYTES => "it has more than 63 bytes",
        _ => return Ok(()),
    };
    let name = name.to_owned();
    Err(Error::Name { name, reason })
}

/// In quotes, for SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Several, with commas between.
pub(crate) fn quoted_all<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| quoted(name)).collect();
    names.join(", ")
}

/// A text in quotes, for SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Table {
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        let (schema, table) = match name.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, name),
        };
        if table.contains('.') {
            let (name, reason) = (name.to_owned(), "it has more than one dot");
            return Err(Error::Name { name, reason });
        }
        schema.map_or(Ok(()), check)?;
        check(table)?;
        Ok(Self {
            schema: schema.map(str::to_owned),
            name: table.to_owned(),
        })
    }

    /// Another table of the schema.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self {
            schema: self.schema.clone(),
            name: name.to_owned(),
        }
    }

    /// In quotes, for SQL.
    pub(crate) fn sql(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.name)),
            None => quoted(&self.name),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_those_that_cannot_be_are_refused() {
        let sql = |name| Table::parse(name).map(|table| table.sql()).ok();
        assert_eq!(sql("orders").as_deref(), Some("\"orders\""));
        assert_eq!(
            sql("Shop.or\"ders").as_deref(),
            Some("\"Shop\".\"or\"\"ders\"")
        );
        let long = "x".repeat(64);
        for name in ["", ".", "a.", ".a", "a.b.c", "a\0", long.as_str()] {
            assert_eq!(sql(name), None, "{name}");
        }
        assert_eq!(literal("it's"), "'it''s'");
    }
}
