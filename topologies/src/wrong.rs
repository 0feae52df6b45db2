//! What can be wrong with options.

use squall::connectors::files::{InputError, ProbeError};
use squall::{data_dir::StoreError, depot::DepotError, text::Shown, time::WindowError};

/// Options that cannot be meant; nothing has been started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrongUse {
    /// The input does not exist or cannot be opened.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The first records of the input do not fit the options.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The window cannot be.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// A CSV file was given without saying which column to read.
    #[error(
        "`{}` has columns: name the one to read with {option}; they are {columns}",
        Shown(name)
    )]
    NoColumn {
        /// The name of the source.
        name: String,
        /// The option that is missing.
        option: &'static str,
        /// The columns found, for people.
        columns: String,
    },
    /// A source with fields was given without saying which to read.
    #[error(
        "`{}` is read as {format}: name the field to read with {option}",
        Shown(name)
    )]
    NoField {
        /// The name of the source.
        name: String,
        /// The option that is missing.
        option: &'static str,
        /// `csv` or `ndjson`.
        format: String,
    },
    /// It is not said which field to read, and the input does not show yet what there is.
    #[error("name the field to read with {option}")]
    NothingNamed {
        /// The option that is missing.
        option: &'static str,
    },
    /// A field was asked of plain text.
    #[error(
        "`{}` is read as plain text, which has no field `{}`; if it has another format, give \
         --format csv or --format ndjson",
        Shown(name),
        Shown(field)
    )]
    FieldOfText {
        /// The name of the source.
        name: String,
        /// The field that was asked for.
        field: String,
    },
    /// Fields are needed, and plain text has none.
    #[error(
        "`{}` is read as plain text, which has no fields; if it has another format, give --format \
         csv or --format ndjson",
        Shown(name)
    )]
    TextWithoutFields {
        /// The name of the source.
        name: String,
    },
    /// A delimiter was given, and nothing is CSV.
    #[error(
        "--delimiter is for CSV, but `{}` is read as {format}; give --format csv",
        Shown(name)
    )]
    DelimiterWithoutCsv {
        /// The name of the first source.
        name: String,
        /// Its format.
        format: String,
    },
    /// Columns of lines were given, and a source is no text.
    #[error(
        "--columns is for lines of text, but `{}` is read as {format}; give --format text",
        Shown(name)
    )]
    ColumnsOfOther {
        /// The name of the source.
        name: String,
        /// Its format.
        format: String,
    },
    /// Standard input was given with a data directory.
    #[error(
        "standard input cannot be read again after a crash, so it cannot be used with --data-dir: \
         write it to a file and read the file with --follow"
    )]
    StdinWithDataDir,
    /// Windows are to stay open, and there is nothing to keep them in.
    #[error("--keep-open leaves windows to a later run, so it needs --data-dir")]
    KeepOpenWithoutDataDir,
    /// An output file is also something else.
    #[error(
        "{option} would overwrite `{}`, which is also {also}; give another path",
        Shown(path)
    )]
    WritesOver {
        /// The option that names the output.
        option: &'static str,
        /// The path.
        path: String,
        /// What else it is: "read as input", "written by --out".
        also: String,
    },
    /// An output is inside a folder that is read, or that is the run's own.
    #[error(
        "{option} would write `{}` inside of `{}`, the folder of {of}; give a path outside of it",
        Shown(path),
        Shown(folder)
    )]
    WritesInside {
        /// The option that names the output.
        option: &'static str,
        /// The path.
        path: String,
        /// The option that names the folder.
        of: &'static str,
        /// The folder.
        folder: String,
    },
    /// A depot is to be read, and nothing says where it is.
    #[error("--depot names a depot of a data directory: give --data-dir")]
    DepotWithoutDataDir,
    /// A depot is to be read out of a directory that is not there.
    #[error(
        "the directory `{}` does not exist, so it has no depot: fill one with `squall depot \
         append`",
        Shown(dir)
    )]
    NoDepotThere {
        /// The data directory.
        dir: String,
    },
    /// A depot is to be read, and nothing says what of it.
    #[error(
        "the records of the depot `{}` have fields: name the one to read with {option}",
        Shown(depot)
    )]
    NoFieldOfDepot {
        /// The depot.
        depot: String,
        /// The option that is missing.
        option: &'static str,
    },
    /// A depot cannot be read.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// The data directory of a depot cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file that an option names cannot be read.
    #[error("cannot read `{}`: {error}", Shown(path))]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        error: String,
    },
    /// A spec is wrong.
    #[cfg(feature = "cube")]
    #[error(transparent)]
    Spec(#[from] squall_cube::spec::SpecErrors),
    /// Files begin at their beginning, and end.
    #[error(
        "{option} is for depots and topics of Kafka: files are read from their beginning to their \
         end"
    )]
    PositionOfFiles {
        /// The option.
        option: &'static str,
    },
    /// A depot has no times.
    #[error("a depot has no times to begin at: give --from end or --from beginning")]
    TimeOfDepot,
    /// A file of connections is wrong.
    #[error("`{}`:{line}: {reason}", Shown(path))]
    Connections {
        /// The file.
        path: String,
        /// The line.
        line: usize,
        /// What is wrong with it; without values.
        reason: String,
    },
    /// The address of a server is wrong.
    #[error("{option} {given}: give {expected}", given = Shown(given))]
    Address {
        /// The option.
        option: &'static str,
        /// What was given, which has no secret in it.
        given: String,
        /// How it is written.
        expected: &'static str,
    },
    /// A password stands where everybody can read it.
    #[error(
        "the address of {option} has a user or password in it, which everybody on this machine can \
         read: give them in the file of --connections (`{property}`) or by the environment \
         ({variable})"
    )]
    SecretInAddress {
        /// The option.
        option: &'static str,
        /// The property of the file.
        property: &'static str,
        /// The variable of the environment.
        variable: &'static str,
    },
    /// This squall was built without what the address needs.
    #[error(
        "{option} names {what}, and this squall was built without it: build it with `--features \
         {feature}`"
    )]
    WithoutFeature {
        /// The option.
        option: &'static str,
        /// What was asked for.
        what: &'static str,
        /// The feature that has it.
        feature: &'static str,
    },
    /// No server has such addresses.
    #[error(
        "{option}: nothing is known of addresses that begin with `{scheme}`; give a path, or {expected}"
    )]
    UnknownScheme {
        /// The option.
        option: &'static str,
        /// How it begins.
        scheme: String,
        /// What there is.
        expected: &'static str,
    },
    /// An option of files was given with a topic.
    #[error("{option} is for files, and --input names a topic of Kafka: leave it out")]
    OptionOfFiles {
        /// The option.
        option: &'static str,
    },
    /// An option of a Kafka connection is not known.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    KafkaOption(#[from] squall_kafka::OptionError),
    /// The address of a Redis is wrong.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] squall_redis::Error),
    /// The address of a `PostgreSQL` is wrong.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] squall_postgres::Error),
    /// There is no input, and none is made.
    #[error("there is nothing to read: give a file, a folder or a quoted glob with --input")]
    NoRecords,
    /// A rollup has nothing to read.
    #[cfg(feature = "cube")]
    #[error("there is nothing to roll up: give a file, a folder or a quoted glob with --input")]
    NoEvents,
    /// A rollup has nowhere to keep its segments.
    #[cfg(feature = "cube")]
    #[error("a rollup keeps its segments in a data directory: give one with --data-dir")]
    RollupWithoutDataDir,
}
