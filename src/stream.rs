//! Streams: the outputs of a component, and [`Out`], through which user code emits.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::batch::{AnyBatch, Batch};
use crate::error::{BoxError, Fatal, Result, Transient, stems_from};
use crate::fault::Killed;
use crate::key::KeyHash;
use crate::text::excerpt;
use crate::time::Timestamp;
use crate::tuple::{DeadLetter, LossExample, Tuple};

/// The name of a component's main stream, on which it emits unless it names another one.
pub const DEFAULT_STREAM: &str = "default";

/// The name of the stream of tuples that a spout or bolt could not handle; each has one.
pub const DEAD_LETTERS: &str = "dead-letters";

/// The output streams of a component: one tuple type, a Rust tuple of up to four for
/// several streams, or `()` for none.
///
/// It is sealed: a component can emit only tuples.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tuple, so no component can emit it",
    label = "this type cannot travel on a stream",
    note = "add `#[derive(Tuple, Clone, Debug)]` to `{Self}`; several streams are written as `(A, B)`, up to four, and none as `()`"
)]
pub trait Streams: sealed::Staging {
    /// How many streams there are.
    const COUNT: usize;

    /// The streams under these names, the main one first. A stream without a name is called by
    /// its position.
    ///
    /// ```
    /// use squall::topology::DEFAULT_STREAM;
    /// use squall::{Word, stream::Streams, tuple::DeadLetter};
    ///
    /// let streams = <(Word, DeadLetter)>::named(&[DEFAULT_STREAM, "refused"]);
    /// assert_eq!(streams[0].fields, ["word"]);
    /// assert_eq!((&*streams[1].name, &*streams[1].tuple), ("refused", "DeadLetter"));
    /// ```
    #[must_use]
    fn named(names: &[&str]) -> Vec<StreamPlan>;
}

/// A stream that a component emits, as plans show it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamPlan {
    /// [`DEFAULT_STREAM`] for the main stream, else a name such as `late`; unique in a component.
    pub name: String,
    /// The short name of the tuple type, such as `Word`, for people only.
    pub tuple: String,
    /// The names of the tuple's fields, which a key can name.
    pub fields: Vec<String>,
}

/// What of a stream nobody but the library has to do with.
pub(crate) mod sealed {
    use crate::batch::{AnyBatch, Batch};
    use crate::tuple::Tuple;

    /// Output that is staged while user code runs.
    pub trait Staging: Send + 'static {
        /// One batch for each stream.
        type Staged: Default + Send;

        /// The staged batch of one stream.
        fn staged(staged: &mut Self::Staged, stream: usize) -> Option<&mut dyn AnyBatch>;
    }

    /// The staged batch at position `I`.
    pub trait StagingAt<const I: usize>: Staging {
        /// The stream's tuple type.
        type Tuple: Tuple;

        fn batch(staged: &mut Self::Staged) -> &mut Batch<Self::Tuple>;

        fn batch_ref(staged: &Self::Staged) -> &Batch<Self::Tuple>;
    }
}

use sealed::{Staging, StagingAt};

/// The plan of the stream at a position.
fn plan<T: Tuple>(names: &[&str], position: usize) -> StreamPlan {
    let name = names.get(position);
    StreamPlan {
        name: name.map_or_else(|| format!("stream-{position}"), |name| (*name).to_owned()),
        tuple: short_type_name::<T>().to_owned(),
        fields: T::FIELDS.iter().map(|field| (*field).to_owned()).collect(),
    }
}

/// The output stream at position `I`.
#[diagnostic::on_unimplemented(
    message = "a component with the output `{Self}` has no stream at position {I}"
)]
pub trait StreamAt<const I: usize>: Streams + sealed::StagingAt<I, Tuple = Self::Item> {
    /// The stream's tuple type.
    type Item: Tuple;
}

impl Streams for () {
    const COUNT: usize = 0;

    fn named(_: &[&str]) -> Vec<StreamPlan> {
        Vec::new()
    }
}

impl Staging for () {
    type Staged = ();

    fn staged((): &mut (), _: usize) -> Option<&mut dyn AnyBatch> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T: Tuple> Streams for T {
    const COUNT: usize = 1;

    fn named(names: &[&str]) -> Vec<StreamPlan> {
        vec![plan::<T>(names, 0)]
    }
}

#[diagnostic::do_not_recommend]
impl<T: Tuple> Staging for T {
    type Staged = Batch<T>;

    fn staged(staged: &mut Batch<T>, stream: usize) -> Option<&mut dyn AnyBatch> {
        (stream == 0).then_some(staged)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Tuple> StreamAt<0> for T {
    type Item = T;
}

#[diagnostic::do_not_recommend]
impl<T: Tuple> StagingAt<0> for T {
    type Tuple = T;

    #[inline]
    fn batch(staged: &mut Batch<T>) -> &mut Batch<T> {
        staged
    }

    #[inline]
    fn batch_ref(staged: &Batch<T>) -> &Batch<T> {
        staged
    }
}

macro_rules! several_streams {
    ($count:literal: $($name:ident $index:tt),*) => {
        impl<$($name: Tuple),*> Streams for ($($name,)*) {
            const COUNT: usize = $count;

            fn named(names: &[&str]) -> Vec<StreamPlan> {
                vec![$(plan::<$name>(names, $index)),*]
            }
        }

        impl<$($name: Tuple),*> Staging for ($($name,)*) {
            type Staged = ($(Batch<$name>,)*);

            fn staged(staged: &mut Self::Staged, stream: usize) -> Option<&mut dyn AnyBatch> {
                match stream {
                    $($index => Some(&mut staged.$index),)*
                    _ => None,
                }
            }
        }
    };
}
several_streams!(2: A 0, B 1);
several_streams!(3: A 0, B 1, C 2);
several_streams!(4: A 0, B 1, C 2, D 3);

macro_rules! stream_at {
    ($item:ident $index:tt of $($name:ident),*) => {
        impl<$($name: Tuple),*> StreamAt<$index> for ($($name,)*) {
            type Item = $item;
        }

        impl<$($name: Tuple),*> StagingAt<$index> for ($($name,)*) {
            type Tuple = $item;

            #[inline]
            fn batch(staged: &mut Self::Staged) -> &mut Batch<$item> {
                &mut staged.$index
            }

            fn batch_ref(staged: &Self::Staged) -> &Batch<$item> {
                &staged.$index
            }
        }
    };
}
stream_at!(A 0 of A, B);
stream_at!(B 1 of A, B);
stream_at!(A 0 of A, B, C);
stream_at!(B 1 of A, B, C);
stream_at!(C 2 of A, B, C);
stream_at!(A 0 of A, B, C, D);
stream_at!(B 1 of A, B, C, D);
stream_at!(C 2 of A, B, C, D);
stream_at!(D 3 of A, B, C, D);

/// A type's name without its modules: `RollingCount<Text>`.
pub(crate) fn short_type_name<T>() -> &'static str {
    // Cutting at the last `::` before the first `<` keeps the name static; the arguments
    // of generic types keep their modules and are cut away.
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// A named output stream of the component `C`, at position `I` of its output.
///
/// ```
/// use squall::topology::StreamPlan;
/// use squall::{Bolt, Out, Result, Text, Tuple, stream::{Port, Streams}};
///
/// #[derive(Tuple, Clone, Debug)]
/// struct Line { text: Text }
/// #[derive(Tuple, Clone, Debug)]
/// struct Empty;
///
/// struct Trim;
/// impl Trim {
///     const EMPTY: Port<Self, 1> = Port::named("empty");
/// }
/// impl Bolt for Trim {
///     type Input = Line;
///     type Output = (Line, Empty);
///     fn execute(&mut self, line: &Line, out: &mut Out<Self::Output>) -> Result {
///         match line.text.trim() {
///             "" => out.emit_to(Self::EMPTY, Empty),
///             text => out.emit(Line { text: text.into() }),
///         }
///         Ok(())
///     }
///     fn streams(&self) -> Vec<StreamPlan> {
///         Self::Output::named(&["default", Self::EMPTY.name()])
///     }
/// }
///
/// let out = squall::testing::BoltTest::new(Trim).send(Line { text: " ".into() }).run()?;
/// assert!(out.emitted().is_empty());
/// assert_eq!(out.emitted_to(Trim::EMPTY).len(), 1);
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct Port<C, const I: usize> {
    name: &'static str,
    component: PhantomData<fn(&C)>,
}

impl<C, const I: usize> Port<C, I> {
    /// The stream at position `I`, called `name` in plans and metrics.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self {
            name,
            component: PhantomData,
        }
    }

    /// The stream's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }
}

impl<C, const I: usize> Clone for Port<C, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, const I: usize> Copy for Port<C, I> {}

/// What is known of late tuples, but for their number.
#[derive(Debug, Default)]
pub(crate) struct LateSeen {
    /// The longest time by which one was before the greatest earlier one, in milliseconds.
    pub(crate) behind_ms: Option<u64>,
    /// The first one; of a bolt without its source, which is the task.
    pub(crate) example: Option<LossExample>,
}

/// How a tuple begins.
fn shown(tuple: &impl std::fmt::Debug) -> String {
    /// Takes so many bytes, and refuses what follows.
    struct Beginning(String);

    impl std::fmt::Write for Beginning {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            const MAX_BYTES: usize = 400;
            self.0.extend(text.chars().take(MAX_BYTES));
            if self.0.len() < MAX_BYTES {
                Ok(())
            } else {
                Err(std::fmt::Error)
            }
        }
    }

    let mut beginning = Beginning(String::new());
    // It is cut where it is long.
    let _ = std::fmt::write(&mut beginning, format_args!("{tuple:?}"));
    beginning.0
}

/// What a dead letter is made of.
#[derive(Debug)]
pub(crate) struct LetterContent {
    /// The position of the letter among those that are staged.
    pub(crate) letter: usize,
    /// How the record or tuple begins.
    pub(crate) beginning: String,
    /// How many records are lost with it: more than one where they cannot be told apart.
    pub(crate) records: u64,
}

/// Where user code puts the tuples that it emits.
///
/// Tuples inherit the time of the tuple in hand; nothing is sent before the user code
/// returns. So what one call emits is held whole, and is the bound of what a task holds: after
/// some thousand tuples and dead letters no further tuple is given to the user code until the
/// readers have taken them. A bolt with a million tuples for one should emit them for several,
/// or in the windows that [`Bolt::next_close`](crate::Bolt::next_close) tells; a spout in
/// several calls of [`Spout::next`](crate::Spout::next).
pub struct Out<S: Streams> {
    pub(crate) staged: S::Staged,
    pub(crate) dead_letters: Batch<DeadLetter>,
    /// The time of the tuple in hand, given to what is emitted.
    pub(crate) time: Timestamp,
    pub(crate) late: bool,
    /// The hash of the key in hand, where there is a key.
    pub(crate) key_hash: Option<KeyHash>,
    /// The watermark that the readers have been promised.
    pub(crate) watermark: Timestamp,
    pub(crate) late_tuples: u64,
    /// What else is known of late tuples since it was asked last.
    pub(crate) late_seen: Option<Box<LateSeen>>,
    /// Whether an example of them was given.
    late_told: bool,
    /// What some of the dead letters are made of, in their order.
    pub(crate) contents: Vec<LetterContent>,
    /// How many tuples and dead letters were emitted so far.
    pub(crate) emitted: usize,
    /// Set when a promise was broken; the runtime ends the topology with it.
    pub(crate) fault: Option<String>,
}

impl<S: Streams> Default for Out<S> {
    fn default() -> Self {
        Self {
            staged: S::Staged::default(),
            dead_letters: Batch::default(),
            time: Timestamp::MIN,
            late: false,
            key_hash: None,
            watermark: Timestamp::MIN,
            late_tuples: 0,
            late_seen: None,
            late_told: false,
            contents: Vec::new(),
            emitted: 0,
            fault: None,
        }
    }
}

impl<S: Streams> Out<S> {
    /// Emits a tuple on the main stream, with the time of the tuple in hand.
    #[inline]
    pub fn emit(&mut self, tuple: S::Item)
    where
        S: StreamAt<0>,
    {
        self.stage::<0>(tuple, self.time);
    }

    /// Emits several tuples on the main stream, with the time of the tuple in hand; quicker than
    /// one after the other.
    #[inline]
    pub fn emit_all(&mut self, tuples: impl IntoIterator<Item = S::Item>)
    where
        S: StreamAt<0>,
    {
        let batch = S::batch(&mut self.staged);
        self.emitted += batch.extend(tuples, self.time, self.late);
    }

    /// Emits a tuple on a named stream, with the time of the tuple in hand.
    #[inline]
    pub fn emit_to<C, const I: usize>(&mut self, _port: Port<C, I>, tuple: S::Item)
    where
        S: StreamAt<I>,
    {
        self.stage::<I>(tuple, self.time);
    }

    /// Emits a tuple on the main stream with a time of its own, which must not be before
    /// the watermark: a bolt that closes a window gives the window's last moment.
    ///
    /// An earlier time breaks what the readers were promised and ends the topology with
    /// that cause.
    #[inline]
    pub fn emit_at(&mut self, tuple: S::Item, time: Timestamp)
    where
        S: StreamAt<0>,
    {
        if time < self.watermark && !self.late {
            self.fault.get_or_insert_with(|| {
                format!(
                    "a tuple was emitted at {time}, before the watermark {}: readers may have \
                     closed that moment's windows",
                    self.watermark
                )
            });
        }
        self.stage::<0>(tuple, time);
    }

    /// Emits a tuple on the main stream to one task (`0..parallelism`) of each bolt that
    /// reads it by direct grouping; other groupings choose the task themselves.
    pub fn emit_direct(&mut self, task: usize, tuple: S::Item)
    where
        S: StreamAt<0>,
    {
        self.stage::<0>(tuple, self.time);
        S::batch(&mut self.staged).address(task);
    }

    /// Counts the tuple in hand as late and emits it on a late stream.
    pub fn emit_late<C, const I: usize>(&mut self, port: Port<C, I>, tuple: S::Item)
    where
        S: StreamAt<I>,
    {
        self.late_tuples += 1;
        if !self.late_told {
            let content = excerpt(&shown(&tuple));
            self.note_late(None, || (String::new(), None, content));
        }
        self.emit_to(port, tuple);
    }

    /// Notes by how much something is late, and what it is where nothing was noted of it before:
    /// source, line and content.
    #[cold]
    pub(crate) fn note_late(
        &mut self,
        behind_ms: Option<u64>,
        example: impl FnOnce() -> (String, Option<u64>, String),
    ) {
        let seen = self.late_seen.get_or_insert_default();
        seen.behind_ms = seen.behind_ms.max(behind_ms);
        if !std::mem::replace(&mut self.late_told, true) {
            let (source, line, content) = example();
            seen.example = Some(LossExample {
                source,
                line,
                reason: LossExample::LATE.to_owned(),
                content,
            });
        }
    }

    /// Sends a record or tuple that cannot be processed to the dead letters.
    pub fn dead_letter(&mut self, letter: DeadLetter) {
        self.dead_letters.push(letter, self.time, self.late);
        self.emitted += 1;
    }

    /// User code has refused a tuple or record: makes the dead letter of it, but of an error that
    /// ends the run.
    pub(crate) fn refuse(
        &mut self,
        error: BoxError,
        letter: impl FnOnce(&BoxError) -> DeadLetter,
    ) -> Result {
        let (fatal, transient) = (stems_from::<Fatal>, stems_from::<Transient>);
        if fatal(&error) || transient(&error) || stems_from::<Killed>(&error) {
            return Err(error);
        }
        self.dead_letter(letter(&error));
        Ok(())
    }

    /// A record that a spout has read could not be decoded, for this reason: makes the dead letter
    /// of it, and shows a beginning of `content` where the run tells of what it has lost. For spouts
    /// that take a decoder from users.
    ///
    /// # Errors
    /// The error itself where it ends the run: it is [`Fatal`] or [`Transient`].
    pub fn refuse_record(
        &mut self,
        error: BoxError,
        content: &str,
        letter: impl FnOnce(&BoxError) -> DeadLetter,
    ) -> Result {
        self.note_content(content);
        self.refuse(error, letter)
    }

    /// As [`Out::dead_letter`], with what the record or tuple holds: a beginning of it is shown
    /// where the run tells of what it has lost.
    pub fn dead_letter_of(&mut self, letter: DeadLetter, content: &str) {
        self.dead_letter_of_records(letter, content, 1);
    }

    /// As [`Out::dead_letter_of`], where so many records are lost that cannot be told apart.
    pub(crate) fn dead_letter_of_records(
        &mut self,
        letter: DeadLetter,
        content: &str,
        records: u64,
    ) {
        self.note_content(content);
        if let Some(content) = self.contents.last_mut() {
            content.records = records;
        }
        self.dead_letter(letter);
    }

    /// Notes what the next dead letter is made of.
    pub(crate) fn note_content(&mut self, content: &str) {
        self.contents.push(LetterContent {
            letter: self.dead_letters.tuples.len(),
            beginning: excerpt(content),
            records: 1,
        });
    }

    /// The time of the tuple in hand.
    #[inline]
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The hash of the key in hand, which the fields grouping has worked out; none in a bolt
    /// without a key. A keyed bolt that looks its key up in a [`KeyIndex`](crate::state::KeyIndex)
    /// need not hash it again.
    #[inline]
    #[must_use]
    pub fn key_hash(&self) -> Option<KeyHash> {
        self.key_hash
    }

    /// The watermark: no tuple with an earlier time follows, but for late ones.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Whether the tuple in hand is late: below the greatest earlier time of its own file
    /// or partition minus the allowed lateness, or below the watermark because its source
    /// had been idle. Its windows may be closed.
    #[inline]
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.late
    }

    #[inline]
    fn stage<const I: usize>(&mut self, tuple: <S as StreamAt<I>>::Item, time: Timestamp)
    where
        S: StreamAt<I>,
    {
        let batch = <S as StagingAt<I>>::batch(&mut self.staged);
        batch.push(tuple, time, self.late);
        self.emitted += 1;
    }
}
