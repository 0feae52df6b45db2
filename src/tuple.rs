//! Tuples: the values that travel through a topology, and their fields.

mod wire;

use std::fmt::{self, Debug};
use std::marker::PhantomData;

use crate::text::Shown;

pub use wire::Wire;
#[doc(hidden)]
pub use wire::derived;

/// A value that travels on a stream; implement it with `#[derive(Tuple)]`.
///
/// The derive also writes a constant for each named field, which serves as a key:
///
/// ```
/// use squall::{Text, Tuple, key::Key};
///
/// #[derive(Tuple, Clone, Debug)]
/// struct Word { word: Text, user: u64 }
///
/// let tuple = Word { word: "nathan".into(), user: 7 };
/// assert_eq!(*Word::WORD.value(&tuple), "nathan");
/// assert_eq!(Key::<Word>::fields(&(Word::WORD, Word::USER)), ["word", "user"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tuple",
    label = "this type cannot travel on a stream",
    note = "add `#[derive(Tuple, Clone, Debug)]` to `{Self}`"
)]
pub trait Tuple: Clone + Debug + Send + 'static {
    /// The names of the fields that can be keys, in the order of their declaration.
    const FIELDS: &'static [&'static str] = &[];

    /// How tuples of this type become bytes, for streams that leave the process; none where they
    /// cannot. The derive gives one to types without parameters that serde reads and writes.
    fn wire() -> Option<Wire<Self>> {
        None
    }
}

/// Reads field number `I` of a tuple; written by `#[derive(Tuple)]`.
pub trait FieldAt<const I: usize>: Tuple + Is<Self> {
    /// The field's type.
    type Value;
    /// The field's name in the source.
    const NAME: &'static str;
    /// The field itself.
    fn get(&self) -> &Self::Value;
}

/// Field number `I` of the tuple `T`, as a value of no size; `#[derive(Tuple)]` makes one
/// constant for each field.
pub struct Field<T, const I: usize>(PhantomData<fn(&T)>);

impl<T, const I: usize> Field<T, I> {
    /// The field; use the constant that the derive wrote.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, const I: usize> Default for Field<T, I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const I: usize> Clone for Field<T, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, const I: usize> Copy for Field<T, I> {}

impl<T: FieldAt<I>, const I: usize> Debug for Field<T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)
    }
}

/// That the tuple `Self` is a `U`, which is true of `U` itself alone; written by
/// `#[derive(Tuple)]`.
///
/// A field is a key of the tuples that are its tuple. Said through this trait, a fields grouping
/// by a field of another tuple ends in a message that the derive wrote, with the names of the
/// stream's own fields.
#[diagnostic::on_unimplemented(
    message = "a field of `{U}` is not a key of the tuple `{Self}`",
    label = "expected a key of `{Self}`",
    note = "group by a closure: `by(|t: &{Self}| &t.field)`"
)]
pub trait Is<U> {
    /// The tuple itself.
    fn itself(&self) -> &U;
}

/// How a bolt that takes `Self` reads a stream of `T`.
///
/// Every tuple reads itself. Implement it to let one bolt read streams of several types,
/// each turned into the bolt's input.
#[diagnostic::on_unimplemented(
    message = "a component that takes `{Self}` cannot read a stream of `{T}`",
    label = "this stream carries `{T}`",
    note = "wire a stream of `{Self}`, put a `Map` between them, or implement `FromTuple<{T}>` for `{Self}`",
    note = "a spout takes `NoInput`: it begins a topology and reads no stream"
)]
pub trait FromTuple<T>: Tuple {
    /// The tuple as this type.
    fn from_tuple(tuple: T) -> Self;
}

impl<T: Tuple> FromTuple<T> for T {
    #[inline]
    fn from_tuple(tuple: T) -> Self {
        tuple
    }
}

/// A tuple that there is none of, for better messages of the compiler.
///
/// Where only one implementation of a trait fits, the compiler takes it for granted and
/// complains of two types that differ. Where `Nothing` fits too, it looks at the stream
/// first, and says in words of ours that the bolt cannot read it.
#[doc(hidden)]
#[derive(Debug)]
#[doc(hidden)]
pub enum Nothing {}

impl<T: Tuple> FromTuple<Nothing> for T {
    fn from_tuple(tuple: Nothing) -> Self {
        match tuple {}
    }
}

/// A tuple or record that could not be processed, with where it came from and why.
///
/// As JSON: `{"source":"words.csv","line":3,"reason":"..."}`, and `"tuple"` where a bolt
/// refused a tuple.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct DeadLetter {
    /// The file, or the component and task as `counts[2]`.
    pub source: String,
    /// The first physical line of the record, counted from 1; none for a tuple.
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: String,
    /// The refused tuple as its `Debug` text; none for a record that became no tuple.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuple: Option<String>,
}

/// One of the records or tuples that a run could not use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct LossExample {
    /// The file or partition, or the component and task as `counts[2]`.
    pub source: String,
    /// The first physical line of the record, counted from 1; of a depot its offset, and none
    /// for a tuple.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub reason: String,
    /// How the record or tuple begins, in at most 80 characters, with control characters
    /// escaped; empty where it is not known.
    pub content: String,
}

impl LossExample {
    /// The reason of late tuples.
    pub const LATE: &'static str = "its time is too long before the greatest earlier one of its \
                                    file or partition";
}

impl fmt::Display for LossExample {
    /// `a.csv:3: what is wrong (`how it begins`)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.source))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", Shown(&self.reason))?;
        if !self.content.is_empty() {
            write!(f, " (`{}`)", self.content)?;
        }
        Ok(())
    }
}

impl Tuple for DeadLetter {
    const FIELDS: &'static [&'static str] = &["source"];
}

impl FieldAt<0> for DeadLetter {
    type Value = String;
    const NAME: &'static str = "source";
    fn get(&self) -> &String {
        &self.source
    }
}

impl Is<Self> for DeadLetter {
    fn itself(&self) -> &Self {
        self
    }
}

impl DeadLetter {
    /// The field `source` as a key.
    pub const SOURCE: Field<Self, 0> = Field::new();
}
