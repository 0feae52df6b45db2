//! The error that user code returns.

/// Any error of a spout, bolt or sink.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What user code returns; `?` works on every error type.
pub type Result<T = (), E = BoxError> = std::result::Result<T, E>;

/// An error after which trying again is of no use: a durable run ends with it, and is not
/// restored from its last commit.
///
/// ```
/// use squall::{BoxError, Fatal};
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
