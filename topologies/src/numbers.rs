//! Numbers as options.

use squall::topology::MAX_FIELDS_TASKS;

/// A whole number above 0: places of a ranking.
///
/// # Errors
/// What is wrong, for the one who typed it.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it is 0: give at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("give a whole number of at least 1".to_owned()),
    }
}

/// A number of tasks of a component that is grouped by fields.
///
/// # Errors
/// What is wrong, for the one who typed it.
pub fn tasks(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(tasks @ 1..=MAX_FIELDS_TASKS) => Ok(tasks),
        _ => Err(format!("give 1 to {MAX_FIELDS_TASKS} tasks")),
    }
}

/// Tuples per second, of which there may be fractions.
///
/// # Errors
/// What is wrong, for the one who typed it.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate >= 0.0 => Ok(rate),
        _ => Err("give tuples per second, or 0 for no limit".to_owned()),
    }
}
