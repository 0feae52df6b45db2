//! The table of a sink: what it must have, and how it is made where it is missing.

use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;
use tokio_postgres::types::Type;

use crate::Error;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outbox::{Content, Outbox};
use crate::table::{Table, quoted, quoted_all};

/// What a sink writes.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) table: Table,
    /// The columns, as far as they are known before the first row.
    pub(crate) fields: Vec<String>,
    /// The columns that tell rows apart.
    pub(crate) keys: Vec<String>,
    /// Types of columns for a table that is made.
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) is_ranking: bool,
}

impl Layout {
    pub(crate) fn check_is_rows(&self) -> Result<(), Error> {
        check_is(!self.is_ranking, "it has rows, and this sink ranks")
    }

    pub(crate) fn check_is_ranking(&self) -> Result<(), Error> {
        check_is(
            self.is_ranking,
            "it has a ranking, and this sink writes rows",
        )
    }
}

fn check_is(is: bool, reason: &str) -> Result<(), Error> {
    let reason = reason.to_owned();
    is.then_some(()).ok_or(Error::Outbox { reason })
}

/// The table, and whether it is there.
pub(crate) struct Schema {
    layout: Layout,
    is_there: bool,
}

/// All columns of a table, and whether they can be written.
const COLUMNS: &str = "SELECT attname::text, attgenerated = '' AND attidentity <> 'a' \
     FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum";

/// The columns of each unique constraint and index that holds at once and for all rows.
const UNIQUE: &str = "SELECT ARRAY(SELECT attname::text FROM pg_attribute \
     WHERE attrelid = indrelid AND attnum = ANY ((indkey::int2[])[0:indnkeyatts - 1])) \
     FROM pg_index WHERE indrelid = $1 AND indisunique AND indisvalid AND indimmediate \
     AND indpred IS NULL AND indexprs IS NULL";

impl Schema {
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            is_there: false,
        }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Looks whether the table is there and fits. One whose columns are known is made.
    pub(crate) async fn look(&mut self, connection: &Connection) -> Result<(), Failure> {
        let name = self.layout.table.sql();
        let params = [(&name as _, Type::TEXT)];
        let find = "SELECT to_regclass($1)::oid";
        let find = connection.client.query_typed_one(find, &params);
        let found: Option<u32> = connection.answer(find).await?.get(0);
        if let Some(table) = found {
            self.check(connection, table).await?;
            self.is_there = true;
        } else {
            let untyped = |name: &&String| !self.layout.types.contains_key(*name);
            if self.layout.fields.iter().find(untyped).is_none() && !self.layout.fields.is_empty() {
                self.create(connection, &HashMap::new()).await?;
            }
        }
        Ok(())
    }

    async fn check(&self, connection: &Connection, table: u32) -> Result<(), Failure> {
        let Layout {
            table: name,
            fields,
            keys,
            is_ranking,
            ..
        } = &self.layout;
        let of_table = [(&table as _, Type::OID)];
        let rows = connection.client.query_typed(COLUMNS, &of_table);
        let columns: Vec<(String, bool)> = connection
            .answer(rows)
            .await?
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let is_writable = |field: &&String| columns.contains(&((*field).clone(), true));
        if let Some(column) = fields.iter().find(|field| !is_writable(field)) {
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Failure::Final(Error::Column {
                table: name.to_string(),
                column: column.clone(),
                columns: names.join(", "),
            }));
        }
        let rights = connection.client.query_typed_one(
            "SELECT has_table_privilege($1, 'SELECT'), has_table_privilege($1, 'INSERT'), \
             has_table_privilege($1, 'UPDATE'), has_table_privilege($1, 'DELETE')",
            &of_table,
        );
        let rights = connection.answer(rights).await?;
        for (number, right) in ["SELECT", "INSERT", "UPDATE", "DELETE"]
            .into_iter()
            .enumerate()
        {
            let needed = right != "UPDATE" || !is_ranking;
            if needed && !rights.get::<_, bool>(number) {
                return Err(Failure::Final(Error::Permission {
                    server: connection.server().to_owned(),
                    what: format!("{right} in the table {name}"),
                }));
            }
        }
        if *is_ranking {
            return Ok(());
        }
        let unique = connection.client.query_typed(UNIQUE, &of_table);
        let unique = connection.answer(unique).await?;
        let is_key = |columns: Vec<String>| {
            columns.len() == keys.len() && keys.iter().all(|key| columns.contains(key))
        };
        if unique.iter().any(|row| is_key(row.get(0))) {
            return Ok(());
        }
        Err(Failure::Final(Error::NotUnique {
            table: name.sql(),
            key: quoted_all(keys),
        }))
    }

    /// Makes a table that was not there, by what the first rows have.
    pub(crate) async fn make(
        &mut self,
        connection: &Connection,
        outbox: &Outbox<'_>,
    ) -> Result<(), Failure> {
        let Content::Rows { columns, set, gone } = &outbox.content else {
            return Ok(());
        };
        if self.is_there {
            return Ok(());
        }
        for column in columns {
            if !self.layout.fields.iter().any(|field| field == column) {
                self.layout.fields.push((*column).to_owned());
            }
        }
        let types = types(set.iter().chain(gone))?;
        self.create(connection, &types).await
    }

    async fn create(
        &mut self,
        connection: &Connection,
        found: &HashMap<String, &'static str>,
    ) -> Result<(), Failure> {
        let Layout {
            table,
            fields,
            keys,
            types,
            ..
        } = &self.layout;
        let column = |field: &String| {
            let given = types.get(field).map(String::as_str);
            let of = given.or(found.get(field).copied()).unwrap_or("text");
            format!("{} {of}", quoted(field))
        };
        let columns: Vec<String> = fields.iter().map(column).collect();
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({}))",
            table.sql(),
            columns.join(", "),
            quoted_all(keys)
        );
        connection.run(&make).await?;
        self.is_there = true;
        Ok(())
    }
}

/// The types of columns that hold what is in the rows. Null tells nothing.
fn types<'r>(
    rows: impl IntoIterator<Item = &'r &'r str>,
) -> Result<HashMap<String, &'static str>, Error> {
    let mut types: HashMap<String, &'static str> = HashMap::new();
    for row in rows {
        let fields: HashMap<String, &RawValue> = serde_json::from_str(row).map_err(Error::Json)?;
        for (name, value) in fields {
            let Some(found) = type_of(value.get()) else {
                continue;
            };
            let wider = match types.get(&name) {
                Some(known) => wider(known, found),
                None => found,
            };
            types.insert(name, wider);
        }
    }
    Ok(types)
}

fn type_of(json: &str) -> Option<&'static str> {
    Some(match json.as_bytes().first()? {
        b'"' => "text",
        b't' | b'f' => "boolean",
        b'{' | b'[' => "jsonb",
        b'n' => return None,
        _ if json.contains(['.', 'e', 'E']) => "double precision",
        _ if json.parse::<i64>().is_ok() => "bigint",
        _ => "numeric",
    })
}

fn wider(known: &'static str, found: &'static str) -> &'static str {
    match (known, found) {
        (known, found) if known == found => known,
        ("bigint" | "numeric", "bigint" | "numeric") => "numeric",
        ("bigint" | "double precision", "bigint" | "double precision") => "double precision",
        ("numeric" | "double precision", "numeric" | "double precision") => "numeric",
        _ => "jsonb",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_what_the_rows_have() {
        let rows = [
            r#"{"a":1,"b":null,"c":"x","d":1,"e":true,"f":[1],"g":1}"#,
            r#"{"a":2,"b":1.5,"c":null,"d":18446744073709551615,"e":false,"f":{},"g":"x"}"#,
        ];
        let types = types(&rows).unwrap();
        let table = [
            ("a", "bigint"),
            ("b", "double precision"),
            ("c", "text"),
            ("d", "numeric"),
            ("e", "boolean"),
            ("f", "jsonb"),
            ("g", "jsonb"),
        ];
        for (name, of) in table {
            assert_eq!(types[name], of, "{name}");
        }
    }
}
