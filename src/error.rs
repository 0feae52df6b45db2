//! The error that user code returns.

/// Any error of a spout, bolt or sink.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What user code returns; `?` works on every error type.
pub type Result<T = (), E = BoxError> = std::result::Result<T, E>;

/// An error that a retry cannot mend. It ends the run wherever user code returns it, and the run is
/// not restored from its last commit. A tuple for which a bolt returns it does not become a dead
/// letter. It has the same effect as a [source](std::error::Error::source) of another error.
///
/// ```
/// use squall::{BoxError, error::Fatal};
///
/// let error: BoxError = Fatal::new("the table does not exist").into();
/// assert_eq!(error.to_string(), "the table does not exist");
/// ```
#[derive(Debug)]
pub struct Fatal(BoxError);

impl Fatal {
    /// Wraps the cause.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }

    /// The cause.
    #[must_use]
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

/// An error that is not caused by the tuple in hand, and may be gone a moment later: a full disk, a
/// server that does not answer. A tuple for which a bolt returns it does not become a dead letter:
/// a durable run is restored from its last commit and takes the tuple again; any other run ends. It
/// has the same effect as a [source](std::error::Error::source) of another error.
///
/// Every error of a whole batch, epoch or watermark is treated like this one.
///
/// ```
/// use squall::testing::BoltTest;
/// use squall::{Bolt, Out, Result, Word, error::Transient};
///
/// /// Asks a server about each word.
/// struct Ask;
/// impl Bolt for Ask {
///     type Input = Word;
///     type Output = ();
///     fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
///         if word.word.is_empty() {
///             return Err("there is no word".into());
///         }
///         Err(Transient::new("the server does not answer").into())
///     }
/// }
///
/// let word = |word: &str| Word { word: word.into() };
/// let out = BoltTest::new(Ask).send(word("")).run()?;
/// assert_eq!(out.dead_letters().len(), 1);
/// let error = BoltTest::new(Ask).send(word("a")).run().err();
/// assert_eq!(error.map(|error| error.to_string()), Some("the server does not answer".into()));
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct Transient(BoxError);

impl Transient {
    /// Wraps the cause.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }

    /// The cause.
    #[must_use]
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl std::fmt::Display for Transient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Transient {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// Whether an error or one of its sources is of this type.
pub(crate) fn stems_from<E: std::error::Error + 'static>(error: &BoxError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**error);
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl std::fmt::Display for Fatal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fatal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
