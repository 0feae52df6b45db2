//! Whose output is taken: that of one data directory, as long as it does not go back.

use std::fs;
use std::path::Path;

use squall::error::Fatal;
use squall::{DataDir, Result, RunError};
use squall_testbed::{PostgresAt, shared};

use crate::{Db, adding, check_sums, on, points, server};

/// The error of a run on a directory that is refused.
fn refused(at: &PostgresAt, table: &str, data_dir: &DataDir) -> Result<String> {
    let ran = points(&server(at), table, 2_000, 1, on(data_dir));
    let ran = ran.and_then(|(running, _)| Ok(running.wait().map(drop)?));
    let error = ran.err().ok_or("its output is taken")?;
    let cause = match error.downcast_ref::<RunError>() {
        Some(RunError::Start { cause, .. } | RunError::Failed { cause, .. }) => cause,
        other => panic!("{other:?}"),
    };
    assert!(cause.is::<Fatal>(), "{cause}");
    Ok(cause.to_string())
}

/// Runs what the error says.
fn remedy(db: &Db, error: &str) -> Result {
    let (_, sql) = error.split_once("run: ").ok_or("there is no remedy")?;
    let end = sql.find(';').unwrap_or(sql.len());
    assert!(sql.starts_with("DELETE FROM \"squall_delivered\""), "{sql}");
    db.ask(&sql[..end]).map(drop)
}

#[test]
fn a_directory_that_was_reset_is_refused_until_its_row_is_deleted() -> Result {
    let at = shared::postgres()?;
    let db = Db::of(&at)?;
    let table = adding(&db, "reset")?;
    let folder = tempfile::tempdir()?;
    let data_dir = DataDir::at(folder.path().join("data"));
    points(&server(&at), &table, 1_000, 1, on(&data_dir))?
        .0
        .wait()?;
    data_dir.reset(None)?;
    let error = refused(&at, &table, &data_dir)?;
    assert!(error.contains("another data directory"), "{error}");
    assert!(
        error.contains(&format!("'points/postgres/{table}'")),
        "{error}"
    );
    check_sums(&db, &table, 1_000)?;
    db.ask(&format!("DELETE FROM {table}"))?;
    remedy(&db, &error)?;
    points(&server(&at), &table, 2_000, 1, on(&data_dir))?
        .0
        .wait()?;
    check_sums(&db, &table, 2_000)
}

#[test]
fn a_backup_that_was_restored_is_refused() -> Result {
    let at = shared::postgres()?;
    let db = Db::of(&at)?;
    let table = adding(&db, "backup")?;
    let folder = tempfile::tempdir()?;
    let data_dir = DataDir::at(folder.path().join("data"));
    points(&server(&at), &table, 1_000, 1, on(&data_dir))?
        .0
        .wait()?;
    let copy = folder.path().join("copy");
    data_dir.backup(&copy)?;
    let error = refused(&at, &table, &DataDir::at(copy))?;
    assert!(error.contains("another data directory"), "{error}");
    check_sums(&db, &table, 1_000)?;
    // The directory itself goes on.
    points(&server(&at), &table, 2_000, 1, on(&data_dir))?
        .0
        .wait()?;
    check_sums(&db, &table, 2_000)
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[test]
fn an_old_copy_of_the_directory_itself_is_refused() -> Result {
    let at = shared::postgres()?;
    let db = Db::of(&at)?;
    let table = adding(&db, "old")?;
    let folder = tempfile::tempdir()?;
    let (path, old) = (folder.path().join("data"), folder.path().join("old"));
    let data_dir = DataDir::at(&path);
    points(&server(&at), &table, 1_000, 1, on(&data_dir))?
        .0
        .wait()?;
    copy(&path, &old)?;
    points(&server(&at), &table, 1_500, 1, on(&data_dir))?
        .0
        .wait()?;
    let error = refused(&at, &table, &DataDir::at(&old))?;
    assert!(error.contains("an old copy of itself"), "{error}");
    check_sums(&db, &table, 1_500)
}

#[test]
fn two_sinks_of_one_id_are_told_apart_by_their_directories() -> Result {
    let at = shared::postgres()?;
    let db = Db::of(&at)?;
    let table = adding(&db, "twice")?;
    let first = DataDir::in_memory()?;
    points(&server(&at), &table, 1_000, 1, on(&first))?
        .0
        .wait()?;
    let error = refused(&at, &table, &DataDir::in_memory()?)?;
    assert!(error.contains("another data directory"), "{error}");
    check_sums(&db, &table, 1_000)
}
