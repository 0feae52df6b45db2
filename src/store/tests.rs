//! What a store promises, on disks that fail and files that are damaged.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::disk::Disk;
use super::*;

type Values = BTreeMap<Vec<u8>, Vec<u8>>;

fn all(store: &Store) -> Result<Values, BoxError> {
    let mut values = Values::new();
    let reader = store.read()?;
    reader.verify()?;
    reader.prefix(b"", &mut |key, value| {
        values.insert(key.to_vec(), value.to_vec());
        Ok(())
    })?;
    Ok(values)
}

/// Puts a value for each of `units`, and deletes what older commits have put for every third.
fn commit(store: &Store, model: &mut Values, number: u8, units: u8, bytes: usize) -> bool {
    let mut batch = Batch::default();
    let mut after = model.clone();
    for unit in 0..units {
        if (number + unit).is_multiple_of(3) {
            batch.delete_range(vec![unit, 0], vec![unit, number]);
            after.retain(|key, _| key[0] != unit);
        }
        batch.put(vec![unit, number], vec![number; bytes]);
        after.insert(vec![unit, number], vec![number; bytes]);
    }
    let done = store.commit(batch).is_ok();
    if done {
        *model = after;
    }
    done
}

#[test]
fn changes_apply_in_the_order_of_the_calls() {
    let store = Store::in_memory().unwrap();
    let mut batch = Batch::default();
    batch.put(b"a1".to_vec(), b"gone".to_vec());
    batch.delete_range(b"a".to_vec(), b"b".to_vec());
    batch.put(b"a2".to_vec(), b"stays".to_vec());
    batch.put(b"c".to_vec(), b"gone too".to_vec());
    batch.delete(b"c".to_vec());
    assert_eq!(batch.bytes(), 6 + 7 + 9);
    store.commit(batch).unwrap();
    assert_eq!(
        all(&store).unwrap(),
        Values::from([(b"a2".to_vec(), b"stays".to_vec())])
    );
    assert_eq!((store.dir(), store.bytes_on_disk()), (None, 0));
}

#[test]
fn a_prefix_is_read_in_order_and_stops_at_an_error() {
    let store = Store::in_memory().unwrap();
    let mut batch = Batch::default();
    for key in ["b", "ab", "a", "aa", "\u{10ffff}"] {
        batch.put(key.into(), Vec::new());
    }
    store.commit(batch).unwrap();
    let reader = store.read().unwrap();
    let mut seen = Vec::new();
    let mut see = |key: &[u8], _: &[u8]| {
        seen.push(key.to_vec());
        if key == b"ab" {
            Err("enough".into())
        } else {
            Ok(())
        }
    };
    let error = reader.prefix(b"a", &mut see).unwrap_err();
    assert_eq!(error.to_string(), "enough");
    assert_eq!(seen, [b"a".as_slice(), b"aa", b"ab"]);
}

#[test]
fn a_range_has_its_first_key_and_not_its_last_and_stops_when_told_to() {
    let store = Store::in_memory().unwrap();
    let mut batch = Batch::default();
    for key in ["a", "b", "c", "d", "e"] {
        batch.put(key.into(), Vec::new());
    }
    store.commit(batch).unwrap();
    let reader = store.read().unwrap();
    let seen = |from: &[u8], to: &[u8], most: usize| {
        let mut seen = Vec::new();
        let mut see = |key: &[u8], _: &[u8]| {
            seen.extend_from_slice(key);
            Ok(if seen.len() == most {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        };
        reader.range(from..to, &mut see).unwrap();
        seen
    };
    assert_eq!(seen(b"b", b"d", 9), b"bc");
    assert_eq!(seen(b"aa", b"f", 2), b"bc");
    assert_eq!(seen(b"c", b"c", 9), b"");
    assert_eq!(seen(b"e", b"a", 9), b"");
}

#[test]
fn a_commit_tells_once_it_is_there_and_not_where_it_fails() {
    let disk = Disk::default();
    let store = Store::on(&disk);
    let told = Arc::new(Mutex::new(Vec::new()));
    let commit = |number: u8| {
        let mut batch = Batch::default();
        batch.put(vec![number], vec![number]);
        let (told, seen) = (Arc::clone(&told), store.clone());
        let mut other = Batch::default();
        other.when_committed(move || {
            let there = seen.read().unwrap().get(&[number]).unwrap().is_some();
            told.lock().unwrap().push((number, there));
        });
        batch.append(other);
        store.commit(batch).is_ok()
    };
    assert!(commit(1));
    disk.break_after(1);
    assert!(!commit(2));
    assert_eq!(*told.lock().unwrap(), [(1, true)]);
}

#[test]
fn what_is_in_common_is_made_once_and_forgotten_with_its_last_handle() {
    let store = Store::in_memory().unwrap();
    let ask = |number: u8| store.clone().in_common("a", || Ok::<_, StoreError>(number));
    let first = ask(1).unwrap();
    assert_eq!(*ask(2).unwrap(), 1);
    drop(first);
    assert_eq!(*ask(3).unwrap(), 3);
}

#[test]
fn a_reader_shows_its_commit_while_others_follow() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut model = Values::new();
    assert!(commit(&store, &mut model, 1, 4, 5_000));
    let reader = store.read().unwrap();
    for number in 2..9 {
        assert!(commit(&store, &mut model, number, 4, 5_000));
    }
    assert_eq!(reader.get(&[0, 1]).unwrap(), Some(vec![1; 5_000]));
    assert_eq!(store.read().unwrap().get(&[0, 1]).unwrap(), None);
}

#[test]
fn a_directory_belongs_to_one_store_until_its_last_reader_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut model = Values::new();
    assert!(commit(&store, &mut model, 1, 4, 10));
    let reader = store.read().unwrap();
    let refused = |what: Result<Store, StoreError>| what.unwrap_err().to_string();
    assert!(refused(Store::open(dir.path())).contains("in use by process"));
    drop(store);
    assert!(refused(Store::open_existing(dir.path())).contains("in use by process"));
    drop(reader);
    assert_eq!(
        all(&Store::open_existing(dir.path()).unwrap()).unwrap(),
        model
    );
}

/// A backup is put in place of a directory that is in use.
#[test]
fn what_is_put_in_place_of_a_directory_in_use_is_left_alone() {
    let (dir, mut model) = filled();
    let (other, _) = filled();
    let path = dir.path().join(dir::STORE);
    let restored = fs::read(other.path().join(dir::STORE)).unwrap();
    let store = Store::open(dir.path()).unwrap();
    fs::rename(&path, dir.path().join("elsewhere")).unwrap();
    fs::write(&path, &restored).unwrap();
    assert!(!commit(&store, &mut model, 9, 1, 10));
    for number in 10..20 {
        assert!(!commit(&store, &mut model, number, 1, 10));
        let error = store.read().err().unwrap();
        assert!(matches!(error, StoreError::Gone { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), restored);
        // A new file often has the number of one that is gone.
        fs::remove_file(&path).unwrap();
        assert!(matches!(store.read().err(), Some(StoreError::Gone { .. })));
        assert!(!path.exists(), "nothing is made in its place");
        fs::write(&path, &restored).unwrap();
    }
}

/// Set where the test below runs as a process of its own, to where it shall be.
const RELATIVE: &str = "SQUALL_RELATIVE_DIRECTORY";

#[test]
fn a_program_may_go_to_another_directory() {
    let Some(root) = std::env::var_os(RELATIVE) else {
        let root = tempfile::tempdir().unwrap();
        let done = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "store::tests::a_program_may_go_to_another_directory",
            ])
            .env(RELATIVE, root.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(said.contains("1 passed"), "{said}");
        return;
    };
    std::env::set_current_dir(root).unwrap();
    let store = Store::open(Path::new("data")).unwrap();
    let mut model = Values::new();
    assert!(commit(&store, &mut model, 1, 3, 10));
    std::env::set_current_dir("/").unwrap();
    assert!(commit(&store, &mut model, 2, 3, 10));
    assert_eq!(all(&store).unwrap(), model);
    assert!(store.bytes_on_disk() > 0);
}

#[test]
fn a_full_disk_is_an_error_and_the_same_handle_goes_on_when_there_is_space() {
    let disk = Disk::default();
    let store = Store::on(&disk);
    let mut model = Values::new();
    assert!(commit(&store, &mut model, 1, 8, 9_000));
    disk.set_capacity(Some(disk.used() + 100_000));
    let full = (2..100).find(|number| !commit(&store, &mut model, *number, 8, 9_000));
    let full = full.expect("it gets full");
    assert_eq!(all(&store).unwrap(), model);

    let mut batch = Batch::default();
    batch.put(b"large".to_vec(), vec![1; 1_000_000]);
    let error = store.commit(batch).unwrap_err().to_string();
    assert!(
        error.contains("cannot write `(on a simulated disk)`"),
        "{error}"
    );
    let said = std::io::Error::from(std::io::ErrorKind::StorageFull).to_string();
    assert!(error.contains(&said), "{error}");

    disk.set_capacity(None);
    assert!(commit(&store, &mut model, full, 8, 9_000));
    assert_eq!(all(&store).unwrap(), model);
    drop(store);
    assert_eq!(all(&Store::again(&disk).unwrap()).unwrap(), model);
}

#[test]
fn a_store_cut_off_anywhere_is_an_error() {
    let (dir, model) = filled();
    let file = dir.path().join(dir::STORE);
    let whole = fs::read(&file).unwrap();
    for part in 0..40 {
        let length = whole.len() * part / 40;
        fs::write(&file, &whole[..length]).unwrap();
        must_be_noticed(dir.path(), &model, &format!("cut off at {length}"));
    }
}

#[test]
fn flipped_bytes_are_an_error_or_do_not_matter() {
    let (dir, model) = filled();
    let file = dir.path().join(dir::STORE);
    let whole = fs::read(&file).unwrap();
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        fs::write(&file, &whole).unwrap();
        let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
        // Some anywhere, some in the header, where the engine keeps what it starts from.
        let within = [whole.len(), 320, 12_288][usize::try_from(seed % 3).unwrap()];
        for _ in 0..[1, 3, 64][usize::try_from(seed / 3 % 3).unwrap()] {
            let at = random.usize(0..within);
            open.write_at(&[whole[at] ^ random.u8(1..)], at as u64)
                .unwrap();
        }
        must_be_noticed(dir.path(), &model, &format!("seed {seed}"));
    }
}

/// With commits in one phase the one before would take the place of a damaged one.
#[test]
fn damage_after_a_crash_does_not_bring_back_an_older_commit() {
    let disk = Disk::default();
    let store = Store::on(&disk);
    let mut model = Values::new();
    for number in 1..8 {
        assert!(commit(&store, &mut model, number, 20, 1_500));
    }
    for seed in 0..300 {
        let crashed = disk.after_crash(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        let within = if seed % 2 == 0 { 320 } else { crashed.used() };
        for _ in 0..[1, 64][random.usize(0..2)] {
            crashed.flip(random.u64(0..within), random.u8(1..));
        }
        match Store::again(&crashed)
            .map_err(BoxError::from)
            .and_then(|store| all(&store))
        {
            Ok(found) => assert_eq!(found, model, "seed {seed}"),
            Err(error) => assert!(error.to_string().contains("is damaged"), "{error}"),
        }
    }
}

/// A data directory with a few commits, and what it holds.
fn filled() -> (tempfile::TempDir, Values) {
    let dir = tempfile::tempdir().unwrap();
    let mut model = Values::new();
    let store = Store::open(dir.path()).unwrap();
    for number in 1..8 {
        assert!(commit(&store, &mut model, number, 20, 1_500));
    }
    (dir, model)
}

/// The directory opens with all of its values, or with an error that names its file.
fn must_be_noticed(dir: &Path, model: &Values, damage: &str) {
    let found = Store::open(dir).map_err(BoxError::from);
    match found.and_then(|store| all(&store)) {
        Ok(found) => assert_eq!(&found, model, "{damage}"),
        Err(error) => {
            let error = error.to_string();
            assert!(
                error.contains("store.redb` is damaged"),
                "{damage}: {error}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The disk breaks at any of its writes and syncs, and then the power goes: of what was
    /// not synced any part may be on it.
    #[test]
    fn after_a_crash_a_batch_is_there_or_not(
        commits in prop::collection::vec((1u8..12, 0usize..9_000), 1..8),
        changes in 0u64..120,
        seed: u64,
    ) {
        let disk = Disk::default();
        let store = Store::on(&disk);
        disk.break_after(changes);
        let mut before = Values::new();
        let mut after = Values::new();
        for (number, (units, bytes)) in (1..).zip(commits) {
            let mut tried = before.clone();
            // What it would hold if the commit were done, from a store that does not break.
            let model = Store::in_memory().unwrap();
            commit(&model, &mut tried, number, units, bytes);
            after = tried;
            if !commit(&store, &mut before, number, units, bytes) {
                break;
            }
        }
        prop_assert!(disk.broken() || before == after);
        let crashed = disk.after_crash(seed);
        drop(store);
        let store = Store::again(&crashed).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let found = all(&store).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(found == before || found == after);
        // And it goes on from there.
        let mut model = found;
        prop_assert!(commit(&store, &mut model, 99, 5, 100));
        prop_assert_eq!(all(&store).unwrap(), model);
    }
}
