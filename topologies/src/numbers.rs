//! Numbers as options.

use squall::topology::MAX_FIELDS_TASKS;

/// A text that is no number of its kind, for the one who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberError {
    /// Of [`at_least_one`]: 0.
    #[error("it is 0: give at least 1")]
    Zero,
    /// Of [`at_least_one`]: no whole number.
    #[error("give a whole number of at least 1")]
    NotWhole,
    /// Of [`tasks`].
    #[error("give 1 to {MAX_FIELDS_TASKS} tasks")]
    NotTasks,
    /// Of [`rate`].
    #[error("give tuples per second, or 0 for no limit")]
    NotARate,
}

/// A whole number above 0: places of a ranking.
///
/// # Errors
/// [`NumberError`] says what to give.
pub fn at_least_one(text: &str) -> Result<usize, NumberError> {
    match text.parse() {
        Ok(0) => Err(NumberError::Zero),
        Ok(number) => Ok(number),
        Err(_) => Err(NumberError::NotWhole),
    }
}

/// A number of tasks of a component that is grouped by fields.
///
/// # Errors
/// [`NumberError`] says what to give.
pub fn tasks(text: &str) -> Result<usize, NumberError> {
    match text.parse() {
        Ok(tasks @ 1..=MAX_FIELDS_TASKS) => Ok(tasks),
        _ => Err(NumberError::NotTasks),
    }
}

/// Tuples per second, of which there may be fractions.
///
/// # Errors
/// [`NumberError`] says what to give.
pub fn rate(text: &str) -> Result<f64, NumberError> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err(NumberError::NotARate),
    }
}
