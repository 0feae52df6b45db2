//! Servers that many tests share: one of each kind for a whole test run, or for one process.
//!
//! `cargo xtask test` starts them once and names them to all test processes by the environment; a
//! process to which none is named starts its own with the first test that asks. Tests that share a
//! server use names of their own in it. A test that stops, fills or reconfigures a server starts
//! one for itself.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::{Kafka, KafkaAt, Postgres, PostgresAt, Redis, RedisAt, Result};

/// The variables that name the shared servers.
const KAFKA: &str = "SQUALL_KAFKA";
const REDIS: &str = "SQUALL_REDIS";
const POSTGRES: &str = "SQUALL_POSTGRES";

/// Between the parts of a value; no address or path of a temporary folder has it.
const BETWEEN: char = ';';

/// The shared broker.
///
/// # Errors
/// As [`Kafka::start`].
pub fn kafka() -> Result<KafkaAt> {
    static SHARED: OnceLock<Result<Kafka>> = OnceLock::new();
    if let Some([address, sasl_address, ca]) = named(KAFKA) {
        return Ok(KafkaAt {
            address,
            sasl_address,
            ca: ca.into(),
        });
    }
    at(SHARED.get_or_init(Kafka::start), Kafka::at)
}

/// The shared Redis.
///
/// # Errors
/// As [`Redis::start`].
pub fn redis() -> Result<RedisAt> {
    static SHARED: OnceLock<Result<Redis>> = OnceLock::new();
    if let Some([address, tls_address, ca]) = named(REDIS) {
        return Ok(RedisAt {
            address,
            tls_address,
            ca: ca.into(),
        });
    }
    at(SHARED.get_or_init(Redis::start), Redis::at)
}

/// The shared `PostgreSQL`.
///
/// # Errors
/// As [`Postgres::start`].
pub fn postgres() -> Result<PostgresAt> {
    static SHARED: OnceLock<Result<Postgres>> = OnceLock::new();
    if let Some([port, ca]) = named(POSTGRES)
        && let Ok(port) = port.parse()
    {
        let ca = PathBuf::from(ca);
        return Ok(PostgresAt { port, ca });
    }
    at(SHARED.get_or_init(Postgres::start), Postgres::at)
}

/// The parts of a variable's value, where it is set.
fn named<const PARTS: usize>(variable: &str) -> Option<[String; PARTS]> {
    let value = std::env::var(variable).ok()?;
    let parts: Vec<String> = value.split(BETWEEN).map(str::to_owned).collect();
    parts.try_into().ok()
}

fn at<S, A>(server: &Result<S>, at: fn(&S) -> A) -> Result<A> {
    match server {
        Ok(server) => Ok(at(server)),
        Err(error) => Err(crate::Error::Shared {
            cause: error.to_string(),
        }),
    }
}

/// One server of each kind, for the processes that are started with [`All::variables`]. They end
/// with this value, or with the process.
#[derive(Debug)]
pub struct All {
    kafka: Kafka,
    redis: Redis,
    postgres: Postgres,
}

impl All {
    /// Starts them.
    ///
    /// # Errors
    /// Where one does not get ready.
    pub fn start() -> Result<Self> {
        Ok(Self {
            kafka: Kafka::start()?,
            redis: Redis::start()?,
            postgres: Postgres::start()?,
        })
    }

    /// The variables that name them, with their values.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let (kafka, redis, postgres) = (self.kafka.at(), self.redis.at(), self.postgres.at());
        let value = |parts: [String; 3]| parts.join(&BETWEEN.to_string());
        let path = |path: PathBuf| path.display().to_string();
        let postgres = [postgres.port.to_string(), path(postgres.ca)];
        [
            (
                KAFKA,
                value([kafka.address, kafka.sasl_address, path(kafka.ca)]),
            ),
            (
                REDIS,
                value([redis.address, redis.tls_address, path(redis.ca)]),
            ),
            (POSTGRES, postgres.join(&BETWEEN.to_string())),
        ]
    }
}
