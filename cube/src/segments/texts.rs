//! A dimension's column being read.
//!
//! Its pages have numbers of a dictionary, which is what [rows](crate::RolledRows) have, too. The
//! readers of the parquet crate make a text of each, from which the numbers would have to be found
//! again: that was half of the time of a query.

use ahash::AHashMap;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use squall::Text;

use super::hybrid;
use crate::rows::DimensionColumn;

/// A column as far as it was read.
pub(super) struct Texts {
    pages: Box<dyn PageReader>,
    /// Those of the file's dictionary, and behind them those that pages have themselves.
    values: Vec<Text>,
    /// The latter, once there are any: a dictionary has an end.
    known: AHashMap<Text, u32>,
    /// The value of each row of the page in hand, [`DimensionColumn::NULL`] for null.
    page: Vec<u32>,
    row: usize,
    /// The places of the values in the dictionary of the rows that are read.
    places: Vec<u32>,
}

impl Texts {
    pub(super) fn new(pages: Box<dyn PageReader>) -> Self {
        Self {
            pages,
            values: Vec::new(),
            known: AHashMap::new(),
            page: Vec::new(),
            row: 0,
            places: Vec::new(),
        }
    }

    /// Reads the next rows; of the values those that they have.
    pub(super) fn read(
        &mut self,
        name: &Text,
        count: usize,
    ) -> Result<DimensionColumn, ParquetError> {
        let mut column = DimensionColumn {
            name: name.clone(),
            dictionary: Vec::new(),
            ids: Vec::with_capacity(count),
        };
        self.places.clear();
        while column.ids.len() < count {
            if self.row == self.page.len() {
                self.next_page()?;
            }
            self.places.resize(self.values.len(), DimensionColumn::NULL);
            let end = self.page.len().min(self.row + count - column.ids.len());
            for number in &self.page[self.row..end] {
                let id = match self.places.get_mut(*number as usize) {
                    None => DimensionColumn::NULL,
                    Some(place) => {
                        if *place == DimensionColumn::NULL {
                            *place = u32::try_from(column.dictionary.len())?;
                            column
                                .dictionary
                                .push(self.values[*number as usize].clone());
                        }
                        *place
                    }
                };
                column.ids.push(id);
            }
            self.row = end;
        }
        Ok(column)
    }

    fn next_page(&mut self) -> Result<(), ParquetError> {
        loop {
            match self.pages.get_next_page()? {
                Some(Page::DictionaryPage {
                    buf, num_values, ..
                }) => {
                    let values = plain(&buf).take(num_values as usize);
                    self.values = values.map(text).collect::<Result<_, _>>()?;
                }
                Some(Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding: Encoding::RLE,
                    ..
                }) => return self.data(&buf, num_values as usize, encoding),
                Some(_) => return Err(other("a page is of a form that was never written")),
                None => return Err(other("a column has fewer values than rows")),
            }
        }
    }

    /// Takes a page in: for each row whether there is a value, and then the values.
    fn data(&mut self, page: &[u8], rows: usize, encoding: Encoding) -> Result<(), ParquetError> {
        let ended = || other("a page ends too early");
        let (length, page) = page.split_first_chunk().ok_or_else(ended)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (levels, page) = page.split_at_checked(length).ok_or_else(ended)?;
        let levels = hybrid::numbers(levels, 1, rows).map_err(other)?;
        let count = levels.iter().filter(|level| **level > 0).count();
        let numbers = match encoding {
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                let (width, packed) = page.split_first().ok_or_else(ended)?;
                hybrid::numbers(packed, *width, count).map_err(other)?
            }
            Encoding::PLAIN => {
                let values = plain(page).take(count);
                let numbers = values.map(|value| self.number_of(value));
                numbers.collect::<Result<_, _>>()?
            }
            _ => return Err(other("a page is of a form that was never written")),
        };
        let known = u32::try_from(self.values.len())?;
        if numbers.len() < count || numbers.iter().any(|number| *number >= known) {
            return Err(other("a page has values that are not in its dictionary"));
        }
        self.row = 0;
        self.page.clear();
        if count == rows {
            self.page = numbers;
            return Ok(());
        }
        let mut numbers = numbers.into_iter();
        let of_level = |level| match level {
            0 => DimensionColumn::NULL,
            _ => numbers.next().unwrap_or(DimensionColumn::NULL),
        };
        self.page.extend(levels.into_iter().map(of_level));
        Ok(())
    }

    /// The number of a value that a page has itself.
    fn number_of(&mut self, value: Result<&[u8], ParquetError>) -> Result<u32, ParquetError> {
        let value = text(value)?;
        if self.known.is_empty() {
            for (value, number) in self.values.iter().zip(0..) {
                self.known.insert(value.clone(), number);
            }
        }
        if let Some(number) = self.known.get(&value) {
            return Ok(*number);
        }
        let number = u32::try_from(self.values.len())?;
        self.known.insert(value.clone(), number);
        self.values.push(value);
        Ok(number)
    }
}

/// Whether a column may have a value: not where all of its values are in its dictionary, and
/// this one is not.
pub(super) fn may_have(
    about: &ColumnChunkMetaData,
    pages: impl FnOnce() -> Option<Box<dyn PageReader>>,
    value: &str,
) -> bool {
    let by_dictionary = about.page_encoding_stats_mask().is_some_and(|encodings| {
        encodings.is_only(Encoding::RLE_DICTIONARY) || encodings.is_only(Encoding::PLAIN_DICTIONARY)
    });
    if !by_dictionary {
        return true;
    }
    // Where it cannot be read, reading it says so.
    match pages().map(|mut pages| pages.get_next_page()) {
        Some(Ok(Some(Page::DictionaryPage { buf, .. }))) => {
            let same = |other: Result<&[u8], _>| other.is_ok_and(|other| other == value.as_bytes());
            plain(&buf).any(same)
        }
        _ => true,
    }
}

/// Byte strings with their lengths before them.
fn plain(mut bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], ParquetError>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let Some((length, rest)) = bytes.split_first_chunk() else {
            bytes = &[];
            return Some(Err(other("a value has no length")));
        };
        let Some((value, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)
        else {
            bytes = &[];
            return Some(Err(other("a value ends too early")));
        };
        bytes = rest;
        Some(Ok(value))
    })
}

fn text(value: Result<&[u8], ParquetError>) -> Result<Text, ParquetError> {
    let value = str::from_utf8(value?).map_err(|_| other("a value is not text"))?;
    Ok(value.into())
}

fn other(why: &str) -> ParquetError {
    ParquetError::General(why.to_owned())
}
