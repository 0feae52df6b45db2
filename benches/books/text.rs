//! The books.

use std::fs;
use std::path::{Path, PathBuf};

/// Files to read.
pub struct Books {
    /// Where they are from.
    pub name: &'static str,
    /// The files, as an input of the command.
    pub glob: String,
    /// The files, in name order.
    pub paths: Vec<PathBuf>,
}

/// The bytes of a generated text, as many as the books have.
const GENERATED_BYTES: usize = 30_560_000;

/// The files of a generated text.
const GENERATED_FILES: usize = 14;

impl Books {
    /// Those of `data/classic-books.tar.gz` in the shared folder beside the project, unpacked
    /// once; without it a generated text of the same size.
    pub fn at_hand() -> Self {
        let shared = std::env::var_os("SQUALL_SHARED").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
            PathBuf::from,
        );
        let packed = shared.join("data/classic-books.tar.gz");
        if packed.exists() {
            let folder = once("classic-books", |aside| unpack(&packed, aside));
            return Self::of("classic-books", &folder);
        }
        println!(
            "{} is missing: a generated text is read instead",
            packed.display()
        );
        let folder = once("generated-books", |aside| {
            let folder = aside.join("generated-books");
            fs::create_dir(&folder).expect("the target folder takes folders");
            generate(&folder);
        });
        Self::of("generated text", &folder)
    }

    fn of(name: &'static str, folder: &Path) -> Self {
        let files = fs::read_dir(folder).expect("the folder was unpacked");
        let paths = files.map(|file| file.expect("the folder can be listed").path());
        let mut paths: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|suffix| suffix == "md"))
            .collect();
        paths.sort();
        let glob = folder.join("*.md");
        let glob = glob.to_str().expect("the target folder's name is UTF-8");
        Self {
            name,
            glob: glob.to_owned(),
            paths,
        }
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        let sizes = self.paths.iter().map(fs::metadata);
        sizes.flatten().map(|metadata| metadata.len()).sum()
    }
}

/// The folder of this name among the target's, made aside where it is not there yet.
fn once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(name);
    if !folder.exists() {
        let aside = tempfile::tempdir_in(target).expect("the target folder takes folders");
        make(aside.path());
        // Fails where another program was faster, with the same result.
        let _ = fs::rename(aside.path().join(name), &folder);
    }
    folder
}

fn unpack(packed: &Path, into: &Path) {
    let packed = fs::File::open(packed).expect("the archive can be opened");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    archive.unpack(into).expect("the archive can be unpacked");
}

/// Writes lines of made-up words, few of them often, with the punctuation of books.
fn generate(folder: &Path) {
    let mut random = fastrand::Rng::with_seed(1);
    let words: Vec<String> = (0..30_000).map(|_| word(&mut random)).collect();
    for file in 0..GENERATED_FILES {
        let mut text = String::new();
        while text.len() < GENERATED_BYTES / GENERATED_FILES {
            text.push('\u{201c}');
            for _ in 0..random.usize(5..100) {
                let draw = random.f64().powi(4) * 30_000.0;
                // Below the number of words, and not negative.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                text.push_str(&words[draw as usize]);
                text.push_str(["\u{2014}", ", ", " ", " ", " ", " "][random.usize(0..6)]);
            }
            text.push_str("\u{2019}\u{201d}\n\n");
        }
        fs::write(folder.join(format!("{file:02}.md")), text)
            .expect("the target folder takes files");
    }
}

fn word(random: &mut fastrand::Rng) -> String {
    let mut word: String = (0..random.usize(1..10))
        .map(|_| random.lowercase())
        .collect();
    if random.u8(0..8) == 0 {
        word[..1].make_ascii_uppercase();
    }
    if random.u8(0..32) == 0 {
        word.push('é');
    }
    word
}
