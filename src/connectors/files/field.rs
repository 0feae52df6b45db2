//! Which part of a record is wanted.

use std::fmt;
use std::sync::Arc;

use super::csv_rows::Header;
use super::elements::Path;
use super::field_error::{FieldError, MissingColumn};
use crate::text::{Shown, nearest};

/// Names what is wanted of each record: the record itself, a CSV column, or a JSON value.
///
/// For CSV, [`resolve`](FieldSelector::resolve) looks the column up once per file; without it
/// each [`Record::field`](super::Record::field) looks it up by name, slower but equally right.
#[derive(Clone, Debug, Default)]
pub struct FieldSelector {
    name: Option<Arc<str>>,
    path: Path,
    /// Whether a record may have several values of it.
    several: bool,
    column: Option<(Arc<Header>, usize)>,
}

impl FieldSelector {
    /// The record itself: the line of a text, the row of a CSV file or the line of JSON as it
    /// stands in the input.
    pub fn whole() -> Self {
        FieldSelector::default()
    }

    /// A CSV column (of columns with equal names the first), or in JSON the top-level key of this
    /// full name and, where there is none, the value at this dotted path (`user.name`).
    ///
    /// It is one value: a path with `[]` is refused by [`Files::check`], and is an error of each
    /// record.
    ///
    /// [`Files::check`]: super::Files::check
    pub fn named(name: &str) -> Self {
        FieldSelector {
            name: Some(Arc::from(name)),
            path: Path::of(name),
            several: false,
            column: None,
        }
    }

    /// The same, of which a record may have several values: in a JSON path `[]` behind the name
    /// of an array stands for each of its elements, as in `commits[].message`, `tags[]` and
    /// `a[].b[].c`. To be read by [`Record::fields`](super::Record::fields).
    pub fn each(name: &str) -> Self {
        FieldSelector {
            several: true,
            ..FieldSelector::named(name)
        }
    }

    /// A CSV column, or in JSON the top-level key of this full name, whatever dots and brackets
    /// are in it: one of [`Record::names`](super::Record::names).
    pub fn exact(name: &str) -> Self {
        FieldSelector {
            path: Path::Exact,
            ..FieldSelector::named(name)
        }
    }

    /// The name that was asked for; `None` for the whole record.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What the name is in JSON.
    #[inline]
    pub(super) fn path(&self) -> Path {
        self.path
    }

    /// Whether it is one value, by keys with dots between them.
    #[inline]
    pub(super) fn is_keys(&self) -> bool {
        !self.several && self.path == Path::Keys
    }

    /// Whether several values of a record are wanted where there are some.
    pub(super) fn is_each(&self) -> bool {
        self.several
    }

    /// Whether a record may have several values of it, which only
    /// [`Record::fields`](super::Record::fields) gives. Of any other field
    /// [`Record::field`](super::Record::field) gives the same, a little faster.
    ///
    /// ```
    /// use squall::connectors::files::FieldSelector;
    ///
    /// assert!(FieldSelector::each("tags[]").has_elements());
    /// assert!(!FieldSelector::each("user.name").has_elements());
    /// assert!(!FieldSelector::named("tags[]").has_elements());
    /// ```
    #[inline]
    pub fn has_elements(&self) -> bool {
        self.several && self.path == Path::Elements
    }

    /// Why the name can be nothing but the full name of a key.
    pub(super) fn no_path(&self) -> Option<FieldError> {
        let field = self.name()?.to_owned();
        match self.path {
            Path::Elements if !self.several => Some(FieldError::Several { field }),
            Path::Wrong(reason) => Some(FieldError::Path { field, reason }),
            Path::Exact | Path::Keys | Path::Elements => None,
        }
    }

    /// Looks the column up in the header of the CSV file that is read next. Always succeeds for
    /// the whole record.
    ///
    /// # Errors
    /// [`MissingColumn`] with the columns that were found.
    pub fn resolve(&mut self, header: &Arc<Header>) -> Result<(), MissingColumn> {
        if let Some(name) = &self.name {
            let column = find(header, name)?;
            self.column = Some((Arc::clone(header), column));
        }
        Ok(())
    }

    /// The column called `name`, which is this selector's name, in `header`.
    pub(super) fn column(&self, name: &str, header: &Arc<Header>) -> Result<usize, MissingColumn> {
        match &self.column {
            Some((resolved, column)) if Arc::ptr_eq(resolved, header) => Ok(*column),
            _ => find(header, name),
        }
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "`{}`", Shown(name)),
            None => f.write_str("the whole record"),
        }
    }
}

fn find(header: &Header, name: &str) -> Result<usize, MissingColumn> {
    header.position(name).ok_or_else(|| {
        let names: Vec<String> = header.names().map(str::to_owned).collect();
        MissingColumn {
            asked: name.to_owned(),
            found: header.to_string(),
            nearest: nearest(name, &names).map(str::to_owned),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Arc<Header> {
        Arc::new(Header::new(names, None))
    }

    #[test]
    fn a_column_is_found_in_every_file_whatever_its_order() {
        let (first, second) = (header(&["a", "b"]), header(&["b", "a"]));
        let mut selector = FieldSelector::named("b");
        selector.resolve(&first).unwrap();
        assert_eq!(selector.column("b", &first), Ok(1));
        assert_eq!(selector.column("b", &second), Ok(0));
    }

    #[test]
    fn of_equal_columns_the_first_counts() {
        let twice = header(&["x", "a", "a"]);
        assert_eq!(FieldSelector::named("a").column("a", &twice), Ok(1));
    }

    #[test]
    fn a_missing_column_is_named_with_those_found() {
        let error = FieldSelector::named("txt")
            .resolve(&header(&["id", "text"]))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no column `txt` (nearest: `text`); the columns are `id`, `text`"
        );
        assert_eq!(FieldSelector::whole().resolve(&header(&[])), Ok(()));
    }
}
