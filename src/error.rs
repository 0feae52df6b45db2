//! The error that user code returns.

/// Any error of a spout, bolt or sink.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What user code returns; `?` works on every error type.
pub type Result<T = (), E = BoxError> = std::result::Result<T, E>;
